"""The program beside the card reader. It shares no module with the gateway, only the wire."""
