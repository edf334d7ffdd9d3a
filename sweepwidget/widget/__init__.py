"""The dashboard's half in the kernel: it follows a sweep's store, tells the page what changed, and does what the page asks.

`js/src/protocol.ts` is the contract with the page. Only `dashboard.py` knows ipywidgets; nothing here is imported before
somebody asks for a dashboard.
"""
