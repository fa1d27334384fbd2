"""Mailchimp's refusals, in its own words and in one other language: titles and details are translated there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_TYPE = "https://mailchimp.com/developer/marketing/docs/errors/"

_INVALID = "The resource submitted could not be validated. For field-specific details, see the 'errors' array."
_INVALID_DE = "Die Ressource konnte nicht überprüft werden. Einzelheiten stehen im Feld 'errors'."

# name → status, English title and detail, German title and detail
_TABLE: Mapping[str, tuple[int, str, str, str, str]] = {
    "key": (401, "API Key Invalid", "Your API key may be invalid, or you've attempted to access the wrong datacenter.", "API-Schlüssel ungültig", "Dein API-Schlüssel ist vielleicht ungültig, oder es ist das falsche Rechenzentrum."),
    "no_key": (401, "API Key Missing", "Your request did not include an API key.", "API-Schlüssel fehlt", "Die Anfrage enthielt keinen API-Schlüssel."),
    "missing": (404, "Resource Not Found", "The requested resource could not be found.", "Nicht gefunden", "Die Ressource wurde nicht gefunden."),
    "method": (405, "Method Not Allowed", "The requested method and resource are not compatible. See the Allow header for this resource's available methods.", "Methode nicht erlaubt", "Methode und Ressource passen nicht zusammen."),
    "json": (400, "JSON Parse Error", "We encountered an unspecified JSON parsing error.", "JSON-Fehler", "Das JSON konnte nicht gelesen werden."),
    "invalid": (400, "Invalid Resource", _INVALID, "Ungültige Ressource", _INVALID_DE),
    "merge": (400, "Invalid Resource", "Your merge fields were invalid.", "Ungültige Ressource", "Deine Merge-Felder waren ungültig."),
    "param": (400, "Bad Request", "A query parameter is invalid: {0}", "Fehlerhafte Anfrage", "Ein Parameter ist ungültig: {0}"),
    "address": (400, "Invalid Resource", "Please provide a valid email address.", "Ungültige Ressource", "Bitte gib eine gültige E-Mail-Adresse an."),
    "fake": (400, "Invalid Resource", "{0} looks fake or invalid, please enter a real email address.", "Ungültige Ressource", "{0} sieht falsch oder ungültig aus, bitte gib eine echte E-Mail-Adresse an."),
    "exists": (400, "Member Exists", "{0} is already a list member. Use PUT to insert or update list members.", "Mitglied vorhanden", "{0} ist schon in der Liste."),
    "compliance": (400, "Member In Compliance State", "{0} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed.", "Mitglied gesperrt", "{0} kann wegen Abmeldung, Rückläufer oder Prüfung nicht angemeldet werden."),
    "forgotten": (400, "Forgotten Email Not Subscribed", "{0} was permanently deleted and cannot be re-imported. The contact must re-subscribe to get back on the list.", "Gelöschte Adresse", "{0} wurde endgültig gelöscht und kann nicht importiert werden."),
    "twice": (400, "Invalid Resource", "{0} appears more than once in this request.", "Ungültige Ressource", "{0} kommt mehrmals vor."),
    "too_many_members": (400, "Invalid Resource", "You may only batch subscribe up to 500 members at a time.", "Ungültige Ressource", "Höchstens 500 Mitglieder auf einmal."),
    "too_many_moves": (400, "Bad Request", "Maximum allowed member items exceeded, please provide at most 500 items in members_to_add field or members_to_remove field", "Fehlerhafte Anfrage", "Höchstens 500 Einträge."),
    "saved": (404, "Resource Not Found", "A Static Segment with an id of {0} does not exist for this list.", "Nicht gefunden", "Ein statisches Segment {0} gibt es hier nicht."),
    "stranger": (400, "Bad Request", "Email address does not exist in this list.", "Fehlerhafte Anfrage", "Die Adresse ist nicht in der Liste."),
    "already": (400, "Bad Request", "Email address is already in this state for the segment.", "Fehlerhafte Anfrage", "Die Adresse hat diesen Stand schon."),
    "segment_name": (400, "Bad Request", "Sorry, that tag already exists.", "Fehlerhafte Anfrage", "Dieses Tag gibt es schon."),
    "tag": (400, "Invalid Resource", "Merge tags may have up to 10 characters: A-Z, 0-9 and _.", "Ungültige Ressource", "Merge-Tags haben höchstens 10 Zeichen."),
    "tag_twice": (400, "Invalid Resource", 'A Merge Field with the tag "{0}" already exists for this list.', "Ungültige Ressource", "Das Merge-Feld {0} gibt es schon."),
    "fields_full": (400, "Invalid Resource", "You have reached the limit of {0} merge fields for this list.", "Ungültige Ressource", "Die Grenze von {0} Merge-Feldern ist erreicht."),
    "removed": (405, "Method Not Allowed", "This list member cannot be removed. Please contact support.", "Methode nicht erlaubt", "Dieses Mitglied kann nicht entfernt werden."),
    "too_many_operations": (400, "Bad Request", "A batch may hold {0} operations at most.", "Fehlerhafte Anfrage", "Höchstens {0} Operationen."),
    "store_twice": (400, "Bad Request", "A store with the id '{0}' already exists in the account.", "Fehlerhafte Anfrage", "Den Shop {0} gibt es schon."),
    "rule_twice": (400, "Bad Request", "A promo rule with the id '{0}' already exists.", "Fehlerhafte Anfrage", "Die Regel {0} gibt es schon."),
    "code_twice": (400, "Bad Request", "A promo code with the id '{0}' already exists.", "Fehlerhafte Anfrage", "Den Code {0} gibt es schon."),
    "webhook_twice": (400, "Bad Request", "Sorry, you can't set up multiple WebHooks for one URL.", "Fehlerhafte Anfrage", "Die Adresse hat schon einen Webhook."),
    "batches_full": (429, "Too Many Requests", "You have exceeded the limit of 500 pending batches.", "Zu viele Anfragen", "Mehr als 500 wartende Stapel."),
}  # fmt: skip

_MESSAGES: Mapping[str, tuple[str, str]] = {
    "value": ("Please enter a value", "Bitte gib einen Wert ein."),
    "number": ("Please enter a number", "Bitte gib eine Zahl ein."),
    "date": ("Please enter the date", "Bitte gib das Datum ein."),
    "birthday": ("Please enter a month (01-12) and a day (01-31)", "Bitte gib Monat und Tag ein."),
    "address": ("Please enter a complete address", "Bitte gib eine vollständige Adresse ein."),
    "url": ("Please enter a valid URL", "Bitte gib eine gültige URL ein."),
    "zip": ("Please enter a valid zip code", "Bitte gib eine gültige Postleitzahl ein."),
}


@dataclass(frozen=True)
class Refusal(Exception):  # an exception by nature, and named for what the API does
    """One refusal: `name` of the table, what its text speaks of, and field errors ("Schema describes …")."""

    name: str
    about: str = ""
    errors: Sequence[Mapping[str, str]] = ()

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _TABLE[self.name][0]

    def detail(self, language: str) -> str:
        """The explanation."""
        _, _, english, _, german = _TABLE[self.name]
        return (german if language == "de" else english).format(self.about)

    def body(self, language: str, instance: str) -> dict[str, object]:
        """The problem+json body."""
        status, english, _, german, _ = _TABLE[self.name]
        title = german if language == "de" else english
        problem: dict[str, object] = {"type": _TYPE, "title": title, "status": status}
        problem |= {"detail": self.detail(language), "instance": instance}
        return problem | ({"errors": [dict(error) for error in self.errors]} if self.errors else {})


def message(name: str, language: str) -> str:
    """What is said of one field."""
    english, german = _MESSAGES[name]
    return german if language == "de" else english


def schema(wanted: str, found: object, field: str = "") -> Refusal:
    """A body of the wrong shape."""
    names = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
    told = names.get(type(found), "NULL")
    return Refusal("invalid", errors=[{"field": field, "message": f"Schema describes {wanted}, {told} found instead"}])
