"""The calendar everything is settled by."""

from datetime import timedelta, timezone

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Business days, benefit years and dates on receipts are Shanghai's, wherever the server stands. China has kept one
offset since 1991, and no claim is older: a fixed zone needs no time zone data on the machine."""
