"""What the application and its gate hand to the handlers, by typed key."""

from aiohttp import web

from gateway.api.gate import Caller, Gate
from gateway.books import Books
from gateway.config import Config
from gateway.trust.keyfile import MasterKey

CONFIG = web.AppKey("CONFIG", Config)
BOOKS = web.AppKey("BOOKS", Books)
SANDBOX = web.AppKey("SANDBOX", Books)
GATE = web.AppKey("GATE", Gate)
MASTER_KEY = web.AppKey("MASTER_KEY", MasterKey)

CALLER = web.RequestKey("CALLER", Caller)
"""Of a request whose terminal was let in."""
