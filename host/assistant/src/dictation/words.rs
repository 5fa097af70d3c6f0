//! The words by which a message is known to dictate a call, or not to.

/// Words for one kind of doing each. A tool belongs to the kinds that its name has a word of.
pub(super) const VERBS: [&[&str]; 5] = [
    &[
        "send", "tell", "post", "reply", "forward", "sende", "schick", "schicke", "schreib", "antworte", "envoie",
        "envoyez", "réponds", "envía", "manda", "responde", "invia", "rispondi", "stuur", "skicka", "svar",
    ],
    &[
        "write",
        "remember",
        "save",
        "store",
        "note",
        "keep",
        "put",
        "set",
        "merke",
        "speichere",
        "notiere",
        "retiens",
        "enregistre",
        "recuerda",
        "guarda",
        "ricorda",
        "salva",
        "onthoud",
        "bewaar",
        "husk",
        "lagre",
        "spara",
    ],
    &[
        "delete",
        "forget",
        "remove",
        "erase",
        "clear",
        "drop",
        "cancel",
        "lösche",
        "vergiss",
        "entferne",
        "supprime",
        "oublie",
        "efface",
        "borra",
        "elimina",
        "olvida",
        "cancella",
        "dimentica",
        "verwijder",
        "vergeet",
        "slett",
        "glem",
        "radera",
    ],
    &[
        "create", "add", "book", "schedule", "make", "open", "erstelle", "füge", "buche", "crée", "ajoute", "crea",
        "añade",
    ],
    &["update", "change", "edit", "move", "rename", "ändere", "verschiebe", "modifie", "cambia", "mueve"],
];

/// Which of the kinds can take back, or alter, what an order before them says.
pub(super) const TAKING_BACK: [usize; 2] = [2, 4];

/// Which of the kinds name two things in an order that nobody could compare: from here to there.
pub(super) const MOVING: [usize; 1] = [4];

/// Words before what a thing is kept under.
pub(super) const FILING: &[&str] = &["under", "key", "name", "unter", "sous", "bajo", "sotto", "onder"];

/// Names of arguments that are what a thing is kept under.
pub(super) const KEYS: &[&str] = &["key", "name", "title", "id", "path"];

/// Words of an order that speak of what stands before it.
pub(super) const DEFINITE: &[&str] =
    &["the", "this", "these", "message", "text", "words", "first", "das", "die", "den", "dem", "der", "le", "la", "el"];

/// Words before an order that change nothing.
pub(super) const COURTESY: &[&str] =
    &["please", "then", "and", "now", "also", "first", "next", "bitte", "dann", "und", "por", "favor"];

/// Words of an order beside its verb, its addresses and what it marks.
pub(super) const JOINING: &[&str] = &[
    "to",
    "the",
    "a",
    "an",
    "this",
    "these",
    "under",
    "as",
    "in",
    "at",
    "for",
    "with",
    "on",
    "into",
    "and",
    "please",
    "my",
    "following",
    "key",
    "name",
    "value",
    "message",
    "text",
    "note",
    "words",
    "saying",
    "first",
    "then",
    "unter",
    "das",
    "die",
    "den",
    "dem",
    "der",
    "im",
    "bitte",
    "und",
    "à",
    "le",
    "la",
    "sous",
    "el",
    "en",
    "aan",
    "onder",
    "til",
    "is",
];

/// What a clause that only asks to read begins with. "Show" and "check" are not among them: "Show it to me first."
pub(super) const READING: &[&str] =
    &["read", "fetch", "look", "search", "find", "recall", "list", "lies", "suche", "lis", "lee", "leggi", "lees"];

/// Words of greeting and thanks, in clauses that have no others.
pub(super) const GREETING: &[&str] = &[
    "thanks", "thank", "you", "so", "very", "much", "a", "lot", "many", "hello", "hi", "hey", "danke", "vielen",
    "dank", "hallo", "merci", "beaucoup", "gracias", "grazie", "bedankt", "takk", "tack",
];

/// Marks of a question.
pub(super) const ASKING: [char; 3] = ['?', '¿', '？'];

/// Words that take back, set a condition, or ask.
pub(super) const DOUBTS: &[&str] = &[
    "not",
    "don't",
    "dont",
    "never",
    "no",
    "without",
    "unless",
    "if",
    "when",
    "until",
    "whether",
    "provided",
    "once",
    "only",
    "later",
    "yet",
    "hold",
    "ignore",
    "before",
    "after",
    "instead",
    "wait",
    "stop",
    "neither",
    "nor",
    "cannot",
    "can't",
    "won't",
    "shouldn't",
    "mustn't",
    "should",
    "would",
    "could",
    "may",
    "might",
    "nicht",
    "kein",
    "keine",
    "nie",
    "niemals",
    "ohne",
    "falls",
    "wenn",
    "bevor",
    "pas",
    "jamais",
    "sans",
    "si",
    "avant",
    "nunca",
    "sin",
    "antes",
    "non",
    "mai",
    "senza",
    "se",
    "prima",
    "niet",
    "geen",
    "nooit",
    "als",
    "ikke",
    "aldri",
    "inte",
    "hvis",
    "om",
    "não",
];
