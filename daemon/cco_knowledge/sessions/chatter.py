"""What shows that a sentence only moves a conversation on. English, German, Spanish, French."""

import re
from typing import Final

from cco_knowledge.sessions.phrases import first, pattern

CHATTER: Final[dict[str, re.Pattern[str]]] = {
    "question": re.compile(r"\?[\W_]*\Z|\?\s|\A\W*¿"),
    "colon": re.compile(r":\W*\Z"),
    "plan": first(r"""
        let me ; i'll ; i will ; i'd ; i would ; i'm ; i am ; i can ; i could ; i can't
        i have no ; next,? i ; now i ; first,? i ; give me ; one moment ; hang on ; hold on
        on it ; remind me ; want me
        (?:check|look|runn|read|search|start|revert|cancell|go|clon|open|try)ing
        (?:work|writ|digg|test|investigat|build|apply|pull|push|deploy|continu|rerunn)ing
        ich (?:lasse|teste|nehme|fange|schaue|sehe|mache|erzeuge|prüfe|suche|lege|trage|melde)
        dann (?:lege|trage|mache|schaue|schlage) ich ; schauen wir ; lass mich ; kannst du
        voy a ; déjame ; ahora (?:voy|miro|pruebo) ; estoy ; miro
        je (?:regarde|vais|vérifie|lance|cherche)
    """),
    "maybe": pattern(r"""
        could ; might ; would ; may be ; maybe ; perhaps ; probably ; possibl[ey] ; options?
        alternatives? ; alternatively ; should we ; shall ; suggest ; if you (?:like|want)
        i think ; i guess ; seems? ; looks like ; suspect(?:ed)? ; suspicion ; guess
        in my view ; personally ; we should ; at some point ; some ?day ; wish ; likely ; either
        several ways ; candidate ; könnte[ns]?t? ; würde[n]? ; wäre[n]? ; vielleicht ; hättest
        eventuell ; vermutlich ; schlage ; möglich ; podríamos ; podrías? ; quizás? ; tal vez
        sería ; opciones ; puede que ; a lo mejor ; on pourrait ; peut-être ; serait
    """),
    "general": pattern(r"""
        in general ; generally ; as far as i know ; according to
        is an? (?:open|popular|well-known|library|database|tool|framework|in-memory)
        documentation ; docs say ; manual ; means (?:that|computing) ; usually ; typically
        tend to ; these days ; blog post ; other teams ; many (?:people|teams|opinions)
        everybody (?:uses|on) ; best practices? ; says the ; often used ; for example
        im allgemeinen ; in der doku ; normalerweise ; üblicherweise ; grundsätzlich
        en general ; normalmente ; por ejemplo ; según ; en général ; d'habitude
    """),
    "social": pattern(r"""
        thanks?(?! to) ; thank you ; sorry ; please ; great ; nice ; perfect ; awesome ; cool
        lovely ; good (?:morning|question|catch|point|summary|idea) ; hello ; hi ; hey ; haha
        lol ; ugh ; oops ; happy to ; no worries ; no problem
        you're (?:right|welcome|the best) ; cheers ; bye ; enjoy ; see you ; yacht ; makes sense
        sounds (?:good|reasonable) ; danke ; bitte ; prima ; super ; moin ; entschuldige
        feierabend ; ups ; noch was ; gracias ; perdona ; hola ; genial ; hasta (?:mañana|luego)
        por favor ; merci ; bonjour ; parfait
    """),
    "status": pattern(r"""
        (?:tests?|build|ci) (?:\w+ )?(?:pass\w*|green|compiles?|ran|went|works)
        (?:pipeline|suite|everything|it) (?:\w+ )?(?:pass\w*|green|compiles?|ran|went|works)
        (?:is|are) (?:\w+ )?green ; lint ; pull request ; merge request ; the pr
        commit(?:ted)? ; pushed ; merged ; deployed ; reviewed ; rebased
        (?:took|takes) (?:\w+ )?\w+ (?:seconds|minutes|hours) ; done ; applied ; no errors
        progress ; branch is up ; so far ; as expected ; same (?:speed|result) ; renamed
        formatting ; läuft durch ; erledigt ; eingestellt und ; gemessen ; grün ; pruebas pasan
        tests passent
    """),
    "you": pattern(r"""
        you ; your ; yours ; yourself ; du ; dir ; dein\w* ; ihr ; tú ; tu ; te ; puedes ; vous
        toi
    """),
    "anecdote": pattern(r"""
        yesterday ; last (?:night|week|month|time|year) ; tomorrow ; next (?:week|sprint|month)
        this morning ; today ; monday ; at this point ; lunch ; vacation ; weekend ; screenshot
        my machine ; gestern ; morgen ; heute ; letzte\w* ; ayer ; mañana ; hoy ; hier ; demain
    """),
    "speaker": pattern(r"i ; i'm ; i've ; my ; ich ; mir ; me ; yo ; je ; j'ai"),
    "hearsay": pattern(r"""
        some(?:body|one) ; said ; says ; asks? whether ; they say ; an idea ; rumou?rs?
        wants? to ; jemand ; angeblich ; downside ; on the other hand ; netflix ; my first idea
    """),
    "joke": re.compile(
        "[\U0001f600-\U0001f64f\U0001f900-\U0001f9ff\U0001fae0]|\\blol\\b|\\bha(?:ha)+\\b|:-?\\)",
        re.IGNORECASE,
    ),
    "anaphor": first(r"""
        it ; it's ; that ; that's ; this ; they ; he ; she ; these ; those ; them ; same
        there (?:is|are|was) ; das ; dies ; es ; dafür ; eso ; esto ; hay ; ça ; c'est ; il y a
    """),
}
