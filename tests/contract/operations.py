"""Which operations of each provider's description our connector uses."""

from __future__ import annotations

_TABLE: dict[str, str] = {
    "mailchimp": """GET /, GET /batches, GET /batches/{batch_id}, GET /lists, GET /lists/{list_id}/abuse-reports,
        GET /lists/{list_id}/members, GET /lists/{list_id}/members/{subscriber_hash}, GET /lists/{list_id}/merge-fields,
        GET /lists/{list_id}/segments, GET /lists/{list_id}/segments/{segment_id}/members, GET /reports,
        GET /reports/{campaign_id}, GET /reports/{campaign_id}/abuse-reports, GET /reports/{campaign_id}/email-activity,
        GET /reports/{campaign_id}/open-details, GET /reports/{campaign_id}/sent-to,
        GET /reports/{campaign_id}/unsubscribed, PATCH /lists/{list_id}/members/{subscriber_hash}, POST /batches,
        POST /lists/{list_id}, POST /lists/{list_id}/merge-fields, POST /lists/{list_id}/segments,
        POST /lists/{list_id}/segments/{segment_id}, GET /ecommerce/stores, POST /ecommerce/stores,
        GET /ecommerce/stores/{store_id}/promo-rules/{promo_rule_id}, POST /ecommerce/stores/{store_id}/promo-rules,
        GET /ecommerce/stores/{store_id}/promo-rules/{promo_rule_id}/promo-codes,
        POST /ecommerce/stores/{store_id}/promo-rules/{promo_rule_id}/promo-codes,
        POST /lists/{list_id}/members/{subscriber_hash}/actions/delete-permanent""",
    "klaviyo": """DELETE /api/lists/{id}/relationships/profiles, GET /api/accounts, GET /api/events, GET /api/lists,
        GET /api/lists/{id}, GET /api/lists/{id}/profiles, GET /api/lists/{id}/relationships/profiles, GET /api/metrics,
        GET /api/profile-bulk-import-jobs, GET /api/profile-bulk-import-jobs/{job_id},
        GET /api/profile-bulk-import-jobs/{id}/import-errors, GET /api/profile-suppression-bulk-create-jobs/{job_id},
        GET /api/profiles, POST /api/lists, POST /api/profile-bulk-import-jobs,
        POST /api/profile-suppression-bulk-create-jobs, GET /api/coupon-code-bulk-create-jobs/{job_id},
        GET /api/coupon-codes/{id}, GET /api/coupons/{id}, POST /api/campaign-values-reports, POST /api/coupons,
        POST /api/coupon-code-bulk-create-jobs, POST /api/data-privacy-deletion-jobs""",
    "brevo": """GET /account, GET /contacts, GET /contacts/attributes, GET /contacts/folders,
        GET /contacts/folders/{folderId}/lists, GET /contacts/lists/{listId}, GET /contacts/lists/{listId}/contacts,
        GET /contacts/{identifier}, GET /emailCampaigns, GET /processes, POST /contacts/export, POST /contacts/folders,
        POST /contacts/attributes/{attributeCategory}/{attributeName}, POST /contacts/import, POST /contacts/lists,
        POST /contacts/lists/{listId}/contacts/add, POST /contacts/lists/{listId}/contacts/remove,
        DELETE /contacts/{identifier}, GET /couponCollections, GET /couponCollections/{id}, POST /couponCollections,
        POST /coupons""",
    "activecampaign": """GET /users/me, GET /lists, GET /tags, POST /tags, GET /fields, POST /fields, POST /fieldRels,
        GET /contacts, DELETE /contacts/{id}, DELETE /contacts/{id}/tags/{tag}, GET /contactTags, DELETE /contactTags/{id},
        POST /import/bulk_import, GET /import/info, GET /campaigns""",
}
USED = {name: frozenset(" ".join(one.split()) for one in told.split(",")) for name, told in _TABLE.items()}
