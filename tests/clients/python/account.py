# SPDX-License-Identifier: MIT
"""Where the programs here find the API and as whom they call it, and how they say what they saw."""

import base64
import json
import os

BASE_URL = os.environ["BERTH_URL"]
USER = os.environ["BERTH_USER"]
PASSWORD = os.environ["BERTH_PASSWORD"]


def headers(user=USER, password=PASSWORD):
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def saw(step, **facts):
    """One line of JSON a step."""
    print(json.dumps({"step": step, **facts}), flush=True)
