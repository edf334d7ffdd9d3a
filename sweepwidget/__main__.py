"""`python -m sweepwidget`."""

from .cli import main

raise SystemExit(main())
