"""The hub: a store over HTTP, so that agents and dashboards elsewhere use the same sweeps.

`dispatch` (app.py) says what a token may do and does it; `HubServer` (server.py) carries it over HTTP. Nothing that comes in
is ever unpickled or run: the calls are an allow-list, the data JSON and typed columns (see wire.py).
"""
