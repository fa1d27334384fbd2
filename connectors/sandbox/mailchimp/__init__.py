"""Mailchimp's Marketing API 3.0, emulated from its documentation (facts and dates: connectors/mailchimp/README.md).

Options, one for each fact that no primary source settles; the first value is the default:
`archived_add` exists | revives: a batch add meets an archived contact · `left_add` exists | generic | silent: it meets
one who left · `patch_archived` ok | missing · `readd` listed | silent | error: a member is added or removed twice ·
`absent` error | silent: a segment is given a stranger · `batch_params` any | get: methods whose `params` count in
/batches · `segment_names` refused | allowed: two segments of one name · `unknown_keys` refused | ignored ·
`booleans` strict | loose · `trims` no | yes: blanks around texts · `list_archived` no | yes: members without a status
filter · `clears` all | text: an empty text leaves a date or a number as it is · `operations_limit` 0 | 1000: of one
/batches job · `code_scope` store | rule: within which a promo code's id is one of its kind · `signing` yes | no: webhooks get a secret · `webhook_body` form | json · `webhook_zone` utc | elsewhere:
`fired_at` · `language` en | de: of error texts · `field_limit` 30 | 80 · `job_seconds` 15: of one /batches job ·
`double_optin` no | yes.
"""

from connectors.sandbox.mailchimp.provider import MailchimpSandbox

__all__ = ["MailchimpSandbox"]
