"""Reads lists that people keep in spreadsheets: residents, cards, entitlements, clinics, earlier use of ceilings.

    layout = residents(towns=...)
    table = read_table(content, layout.columns)
    rows, errors = parse(table, layout)

Pure functions on bytes: nothing here knows the database. What a row means is for the verbs to decide.
"""
