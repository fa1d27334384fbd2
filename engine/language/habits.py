"""Words that people type from habit, and what they are called here: French, SQL, months and money."""

from __future__ import annotations

__all__ = ["CURRENCIES", "DATES", "FRENCH", "FUNCTIONS", "MONTHS", "NAMES", "SQL_WORDS", "UNITS"]

CURRENCIES = {
    **dict.fromkeys(("€", "euro", "euros"), "EUR"),
    **dict.fromkeys(("$", "dollar", "dollars"), "USD"),
    **dict.fromkeys(("£", "pound", "pounds", "livre", "livres"), "GBP"),
}
UNITS = {
    "seconde": "seconds", "secondes": "seconds", "heure": "hours", "heures": "hours", "h": "hours", "jour": "days", "jours": "days", "j": "days",
    "semaine": "weeks", "semaines": "weeks", "mois": "months", "trimestre": "quarters", "trimestres": "quarters", "an": "years", "ans": "years",
    "année": "years", "années": "years",
}  # fmt: skip
FRENCH = {
    "et": "and", "ou": "or", "non": "not", "pas": "not", "entre": "between", "dans": "in", "dernier": "last", "derniers": "last", "dernière": "last",
    "dernières": "last", "prochain": "next", "prochains": "next", "prochaines": "next", "ce": "this", "cette": "this", "contient": "contains",
    "commence par": "starts with", "finit par": "ends with", "est connu": "is known", "est inconnu": "is unknown", "est": "=", "depuis": "since",
    "avant": "before", "jamais": "never", "vrai": "true", "faux": "false", "aujourd'hui": "today", "maintenant": "now", "sur": "by", "puis": "then",
    "où": "where", "au moins": ">=", "au plus": "<=", "connu": "known", "inconnu": "unknown", "parmi": "among", "sans": "never(…)",
}  # fmt: skip
# names as people call them → as the shop has them; suggested only where the client's names hold them
NAMES = {
    "anniversaire": "birthday", "ville": "city", "pays": "country", "prénom": "first_name", "prenom": "first_name", "nom": "last_name", "sexe": "gender",
    "genre": "gender", "âge": "age", "région": "region", "code_postal": "postcode", "zip": "postcode", "langue": "language", "téléphone": "phone",
    "revenu": "income", "date_naissance": "birth_date", "commandes": "orders", "commande": "orders", "achats": "orders", "achat": "orders",
    "purchases": "orders", "clics": "email_clicks", "clicks": "email_clicks", "ouvertures": "email_opens", "opens": "email_opens",
    "paniers": "cart_adds", "panier": "cart_adds", "carts": "cart_adds", "cart": "cart_adds", "visites": "sessions", "visits": "sessions",
    "vues": "views", "pages": "views", "recherches": "searches", "articles": "order_lines", "produits": "order_lines", "products": "order_lines",
    "items": "order_lines", "sends": "email_sends", "envois": "email_sends", "bounces": "email_bounces", "plaintes": "email_complaints",
    "optin": "consent.email", "opt_in": "consent.email", "subscribed": "consent.email",
}  # fmt: skip
SQL_WORDS = frozenset({
    "select", "from", "join", "union", "having", "group", "order", "case", "when", "exists", "table", "drop",
    "insert", "delete", "update", "limit", "offset",
})  # fmt: skip
# functions of SQL and spreadsheets → what to do here
FUNCTIONS = {
    **dict.fromkeys(("lower", "upper", "lcase", "ucase", "trim"), "texts ignore case already: compare the name itself"),
    **dict.fromkeys(("now", "current_timestamp", "getdate", "current_date", "today", "aujourdhui"), "write now or today, without brackets"),
    **dict.fromkeys(("date", "to_date", "timestamp", "cast"), "write dates bare: 2026-01-31"),
    **dict.fromkeys(("datediff", "date_diff", "age", "dateadd", "date_add", "date_sub"), "write days_since(birth_date), or a point in time: 30 days ago"),
    **dict.fromkeys(("coalesce", "ifnull", "nvl", "isnull"), "write default(x, value), or x is known"),
    **dict.fromkeys(("year", "day"), "write a window: birth_date in 1990, ordered_at in 2026-03"),
    **dict.fromkeys(("average", "mean", "moyenne"), "did you mean 'avg'?"),
    **dict.fromkeys(("nb", "nombre", "compter", "number"), "did you mean 'count'?"),
    **dict.fromkeys(("somme", "total"), "did you mean 'sum'?"),
    **dict.fromkeys(("jamais",), "did you mean 'never'?"),
    **dict.fromkeys(("bought", "has", "done", "any", "exists", "a_fait"), "did you mean 'did'?"),
    **dict.fromkeys(("not",), "write not before a test: not (…)"),
    **dict.fromkeys(("in",), "write what is looked for first: city in (…)"),
    **dict.fromkeys(("round", "abs", "floor", "ceil"), "numbers are compared as they are"),
}  # fmt: skip
MONTHS = {
    name: f"{number:02d}"
    for number, names in enumerate(
        (
            "january janvier jan", "february février fevrier feb", "march mars mar", "april avril apr", "may mai", "june juin jun",
            "july juillet jul", "august août aout aug", "september septembre sep", "october octobre oct", "november novembre nov",
            "december décembre decembre dec",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
# a date that is none of ours, outside texts: 01/02/2026, 1.2.2026, 2026/1/2, 2026-1-2
DATES = (
    r"(?<![\w./-])(?:(?P<a>\d{1,2})(?P<s>[/.-])(?P<b>\d{1,2})(?P=s)(?P<y>\d{4})"
    r"|(?P<year>\d{4})(?P<t>[/.-])(?P<month>\d{1,2})(?P=t)(?P<day>\d{1,2}))(?![\w/-])"
)
