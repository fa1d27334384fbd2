"""What Klaviyo's description says beside the calls: the windows that we declare are its own or narrower."""

from __future__ import annotations

import pytest
from official import ABSENT, SPECS, described

from connectors import registry

pytestmark = pytest.mark.skipif(not SPECS.is_dir(), reason=ABSENT)


def test_the_declared_windows_are_the_descriptions_or_narrower() -> None:
    spec = registry.load("klaviyo").spec
    families = {
        "accounts": "GET /api/accounts", "lists": "GET /api/lists", "list-create": "POST /api/lists",
        "list-profiles": "GET /api/lists/{id}/profiles", "list-remove": "DELETE /api/lists/{id}/relationships/profiles",
        "list-members": "GET /api/lists/{id}/relationships/profiles",
        "import": "POST /api/profile-bulk-import-jobs", "import-job": "GET /api/profile-bulk-import-jobs/{job_id}",
        "import-jobs": "GET /api/profile-bulk-import-jobs", "profiles": "GET /api/profiles",
        "import-errors": "GET /api/profile-bulk-import-jobs/{id}/import-errors",
        "suppress": "POST /api/profile-suppression-bulk-create-jobs", "metrics": "GET /api/metrics",
        "suppress-job": "GET /api/profile-suppression-bulk-create-jobs/{job_id}", "events": "GET /api/events",
        "erase": "POST /api/data-privacy-deletion-jobs", "report": "POST /api/campaign-values-reports",
        "coupons": "GET /api/coupons/{id}", "coupon-create": "POST /api/coupons", "code": "GET /api/coupon-codes/{id}",
        "codes": "POST /api/coupon-code-bulk-create-jobs", "codes-jobs": "GET /api/coupon-code-bulk-create-jobs",
        "codes-job": "GET /api/coupon-code-bulk-create-jobs/{job_id}",
    }  # fmt: skip
    assert spec.rates.keys() - families.keys() == {"list-count"}  # a tier of its own: profile_count, 1/s and 15/m
    for family, name in families.items():
        method, path = name.split()
        told = described("klaviyo").document["paths"][path][method.lower()]["x-klaviyo-ratelimit"]
        allowed = {{"s": 1, "m": 60, "d": 86_400}[text[-1]]: int(text.split("/")[0]) for text in told.values()}
        ours = {rate.seconds: rate.calls for rate in spec.rates[family]}
        assert ours.keys() == allowed.keys()
        assert all(ours[seconds] <= calls for seconds, calls in allowed.items())
