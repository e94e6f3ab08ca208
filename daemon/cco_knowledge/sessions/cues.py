"""What shows that a sentence is worth keeping, what it is, and what it belongs to.

English, German, some Spanish and French.
"""

import re
from typing import Final

from cco_knowledge.sessions.chatter import CHATTER
from cco_knowledge.sessions.phrases import first, label, pattern

KEPT: Final[dict[str, re.Pattern[str]]] = {
    "decided": pattern(r"""
        decisions?(?! of) ; (?<!nobody has )decided(?! anything) ; agreed ; settled
        settle (?:on|for) ; opt(?:ed)? for ; chose ; chosen ; picked ; pick ; going with
        goes? with ; i(?:'d)? prefer ; i'd rather ; sold ; forget
        &~(?:use|using|stay|stick|keep|go|move|switch|drop|raise|lower|replace|migrate)
        &~(?:adopt|standardi[sz]e|pin|store|run|target|support|deprecate|remove|ship)
        &~(?:split|build|make|write|have|only|postpone|skip|cap|limit|ban|expose|cut)
        (?:will|shall) (?:not )?be ; won't
        (?:is|are|was|were|gets?) (?:out|rejected|ruled out|dropped|off the table)
        (?:is|are|was|were|gets?) (?:deprecated|approved|banned|removed|postponed|cut)
        final (?:call|answer|word) ; entschieden ; entscheidung ; beschlossen ; einigen uns
        legen fest ; festgelegt ; fällt weg ; fliegt raus
        wir ~(?:steigen|nehmen|bleiben|nutzen|verwenden|machen)
        wir ~(?:wechseln|behalten|setzen|gehen|lassen|verzichten)
        (?:machen|nehmen|bleiben) wir ; wird nur noch ; decisión ; decid(?:imos|ido|o)
        nos quedamos ; acordamos ; vamos a ~\w+ar ; no vamos a ; usaremos ; elegimos ; cambiamos
        pasamos a ; descartad[oa] ; se descarta ; mejor usamos ; prefiero ; décidé ; décision
        on part sur ; on garde ; on reste ; on passe ; nous utilisons ; on abandonne ; choisi
    """),
    "changed": pattern(r"""
        instead(?: of)? ; rather than ; no longer ; (?:not|n't|never)\b[^.;]{1,80}\bany ?more
        used to ; over(?= \w+,)
        (?:moves?|moved|goes?|switch\w*|migrat\w+|change[sd]) ~(?:from|out|away|back|to|over)
        becomes? ; replace[sd]? ; supersede[sd]? ; from now on ; going forward ; stays?(?! open)
        remains?(?! open| with) ; after all ; back (?:to|in|out) ; revert(?:ed|s)? ; for good
        statt ; anstelle ; anstatt ; nicht mehr ; künftig ; ab (?:jetzt|sofort) ; ersetzt
        bleibt ; bleiben ; geht (?:von|auf) ; nunmehr ; en lugar de ; en vez de ; ya no
        a partir de ahora ; pasa(?:mos)? (?:a|de) ; cambia(?:mos)? de ; sustituye ; volvemos a
        sigue(?:n)? en ; se queda ; au lieu de ; ne ~plus ; désormais ; remplacé?
        passe (?:à|de) ; reste
    """),
    "reason": pattern(r"""
        because ; since ; so that ; otherwise ; else ; which is why ; that's why ; therefore
        due to ; thanks to ; given that ; reason ; hence ; in order to ; as long as ; until
        unless ; so (?:it|we|they|there|the|a|an|no|only|each|nobody) ; weil ; damit ; denn
        sonst ; deshalb ; daher ; wegen ; da es ; solange ; andernfalls ; porque ; ya que ; así
        para que ; si no ; por eso ; debido a ; mientras ; hasta que ; car ; parce que ; sinon
        afin ; pour que ; puisque
    """),
    "rule": pattern(r"""
        every ; each ; all ; always ; never ; must(?: not)? ; mustn't ; may not ; only ; nobody
        no one ; no \w+ (?:may|calls?|gets?|reads?|is|without) ; any(?:one|body)? ; convention
        by convention ; rules? ; policy ; exclusively ; everywhere ; not allowed ; forbidden
        rejects? ; exactly one ; at least one ; needs? an? ; nie(?:mals)? ; immer ; jede[rsnm]?
        nur ; alle[rsnm]? ; muss ; müssen ; keine? ; regel ; dürfen ; darf ; niemand
        bei uns gilt ; braucht ; siempre ; nunca ; cada ; tod[oa]s? ; sol[oa]mente ; s[oó]lo
        únicamente ; deben? ; ningún ; ninguna ; nadie ; prohibido ; regla ; jamás ; chaque
        toujours ; jamais ; tous ; toutes ; doit ; doivent ; seulement ; aucune? ; règle
        personne ne
    """),
    "norm": first(r"""
        every ; each ; all ; always ; never ; no ; by convention ; convention ; as a rule
        nobody ; only ; \w+ (?:must|never|always) ; \w+ \w+ (?:must|never|always)
        \w+s are (?:always|never|stored|kept|named|written|wrapped|squashed) ; jede[rsnm]?
        alle ; immer ; nie(?:mals)? ; keine? ; bei uns ; cada ; tod[oa]s ; siempre ; nunca
        ningún ; chaque ; tous ; toutes ; jamais
    """),
    "place": pattern(r"""
        (?:lives?|stands?|sits?|lies) (?:\w+ )?(?:in|from|through|under|on|by|at|via)
        (?:is|are|kept|stored) (?:\w+ )?(?:in|from|through|under|on|by|at|via)
        (?:held|found|comes?|read) (?:\w+ )?(?:in|from|through|under|on|by|at|via)
        (?:reads it|issued|rotated|set) (?:\w+ )?(?:in|from|through|under|on|by|at|via) ; liegt
        liegen ; steh(?:t|en) (?:in|im) ; está[n]? en ; se guarda[n]? en ; vive[n]? en
        est (?:dans|sous) ; se trouve
    """),
    "safe": pattern(r"""
        (?:\w+ )?vault ; 1password ; bitwarden ; lastpass ; keepass\w* ; key ?chain ; keyring
        secrets? (?:manager|backend|store) ; kms ; \w*hsm ; yubi\w* ; sops ; doppler ; infisical
        parameter store ; sso ; service[ -](?:account|user)
        (?:github|gitlab|ci|kubernetes|repository) secrets? ; secret of the same name
        sealed secrets? ; masked variable ; partner portal ; \S*/\.?env ; \S*\.env
        \S*gradle\.properties ; \.netrc ; \.pgpass ; [A-Z]\w*_(?:KEY|TOKEN|SECRET|PASSWORD)
    """),
    "secret": pattern(r"""
        (?:api|signing|private|public|secret|access|ssh|deploy|license|encryption)[ -]keys?
        (?:service|admin|root|master|stripe|aws|maps|host|json|\w+'s)[ -]keys?
        the \w+ keys?(?= (?:is|are|of|isn't|live|sit|lie|stand|come))
        the key(?= is in| sits in| lies) ; its (?:\w+ )?keys? ; tokens? ; passwords?
        passphrases? ; \w+ secret ; secrets? ; credentials? ; certificates? ; logins?
        key ?pairs? ; keystore ; \w*_(?:KEY|TOKEN|SECRET|PASSWORD)
        \w*(?:schlüssel|passwort|passwörter|zugangsdaten|kennwort|zertifikat) ; contraseñas?
        claves? ; credencial(?:es)? ; certificados? ; secreto ; mots? de passe
        clés? (?:api|privées?|secrètes?) ; identifiants
    """),
    "value": re.compile(
        r"\d\s?(?:%|ms|s|sec|seconds?|min|minutes?|h|hours?|days?|weeks?|months?|years?"
        r"|[KMGT]i?B|k|req|rps|qps|ticks?"
        r"|sekunden?|minuten?|stunden?|tage?n?|wochen?|segundos?|minutos?|horas?|días|semanas"
        r"|secondes?|heures?|jours?)\b"
        r"|\bto v?\d[\d.]*|\bport \d+|\b(?:at|um|a las|à) \d\d?:\d\d\b|\bpinned to\b",
        re.IGNORECASE,
    ),
    "setting": re.compile(
        r"\b[a-z]\w*[_.][\w.]*\s?=\s?\S|\b\w+\s?=\s?(?:true|false|\d\S*|\"[^\"]*\")"
        r"|\b\w+: [a-z0-9][\w-]* in\b|--[a-z][\w-]+"
        r"|\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b|[\w/-]\.(?:ya?ml|toml|json|conf|cfg|ini|env|tf|tfvars"
        r"|properties|xml|h)\b|\b(?:set|put it) (?:in|as|to)\b"
        r"|\b(?:timeouts?|ttl|limits?|interval|threshold|retention|cron"
        r"|env(?:ironment)? var\w*|default|flag|setting|configur\w+|configs?|listens on"
        r"|memory limit|log level"
        r"|replicas?|pool|quota|schedule|rotation|lifetime|lookback|retries|backoff|size-limit"
        r"|every \d+|runs? (?:every|at|daily|nightly|on)|eingestellt|konfigur\w+"
        r"|tiempo de espera|límite|umbral|copias de seguridad|configurad[oa]|délai|seuil"
        r"|sauvegardes?)\b",
        re.IGNORECASE,
    ),
    "cause": pattern(r"""
        root cause ; caus(?:e|es|ed|ing) ; comes from ; came from ; because of ; turns out
        turned out ; (?:is|was) an? (?:race|leak|lost update|deadlock|bug|typo)
        race(?: condition)? ; leak(?:s|ed)? ; deadlocks? ; lost ; lacks? ; missing ; overflow\w*
        overwr(?:ote|ites?) ; twice ; stale
        (?:happened|failed|crashed|broke|sent|was|were) ~because ; kam von ; kommt von ; ursache
        lag an ; liegt daran ; la causa ; ven[ií]an? de ; se deb(?:e|ía) a ; faltaba ; la cause
        venait d\w* ; à cause d\w*
    """),
    "defect": pattern(r"""
        bugs? ; crash(?:es|ed)? ; fails? ; failed ; failure ; broken ; breaks? ; hangs? ; flaky
        wrong ; cannot ; can't ; doesn't work ; doesn't help ; does nothing ; isn't
        never (?:ends|returns|removed|finishes) ; off by ; leak\w* ; errors? ; duplicate[sd]?
        misread ; capped ; slow(?:er|s)? ; regression ; drifts? ; corrupt\w* ; time out
        times out ; desync\w* ; grows? by ; hallucinat\w+ ; swallow\w* ; stuck ; freezes?
        flicker\w* ; stutters? ; wobbl\w+ ; driftet ; stürzt ; hängt ; fehler ; absturz
        \w*überlauf ; fault ; kaputt ; bricht ~ab ; schlägt fehl ; lässt sich nicht ; falla[n]?
        error(?:es)? ; se cae ; no funciona ; se queda sin ; duplicad[oa]s? ; rot[oa] ; se rompe
        lent[oa] ; échoue ; plante ; erreur ; ne marche pas ; ne fonctionne pas
    """),
    "open": pattern(r"""
        still open ; (?:stays?|remains?|left) open ; open (?:issues?|questions?|points?)
        not (?:yet )?(?:solved|fixed|found out|clear) ; no (?:good )?fix ; unsolved ; unresolved
        could not solve ; couldn't solve ; haven't (?:changed|fixed|found|touched)
        did not touch ; didn't touch ; left it ; known (?:issue|bug|limitation) ; limitation
        todo ; workaround ; to be decided ; until (?:then|they|accounting|that|it)
        stays that way ; still (?:fails?|times?|crash\w*|happens?|broken|missing) ; bleibt offen
        noch offen ; ungelöst ; offen ; pendiente ; sin resolver ; queda abiert[oa] ; reste à
        pas encore
    """),
    "fixed": pattern(r"""
        fix(?:ed|es)? ; solved ; resolved ; now (?:uses?|reads?|gets?|has|have|runs?|comes?)
        now (?:goes|takes?|calls?|returns?|waits?|retries|streams?|come) ; are now ; is now
        i (?:\w+ )?(?:fixed|replaced|moved|added|rewrote|extracted|implemented) ~\S+ \S+ \S+
        i (?:\w+ )?(?:compute|changed|removed|wrapped|split|built|made|introduced) ~\S+ \S+ \S+
        implemented ; is done with ; built by ; behoben ; vergrößert ; umgestellt ; eingebaut
        ich habe ~\S+ \S+ \S+ ; he (?:añadido|cambiado|movido|arreglado|quitado|creado)
        arreglad[oa] ; corregid[oa] ; j'ai (?:ajouté|remplacé|déplacé|corrigé)
    """),
    "structure": pattern(r"""
        single source of truth ; consists? of ; layers? ; services? ; modules? ; tables?
        queues? ; workers? ; outbox ; topics? ; events? ; gateway ; pipeline ; schema ; slots?
        shards? ; partitions? ; buckets? ; components? ; bridge ; core ; leader ; replicas?
        owns? ; talks? (?:only )?to ; (?:only )?reads? from ; writes? (?:to|into)
        publish(?:es)? ; subscribes? ; behind ; in front of ; between ; split into ; handed
        versioned ; forwards? ; terminates ; flows? ; goes? (?:straight|through) ; fed by
        stores? ; enqueues ; interpolates? ; (?:on|to|from) the (?:server|client) ; aufgeteilt
        besteht aus ; schnittstelle ; dienste? ; schicht\w* ; warteschlange
        spricht (?:nur )?mit ; verteilt ; consta de ; servicios? ; cola ; capas?
        se comunica[n]? ; escribe[n]? en ; lee[n]? de ; se compose de ; parle qu\w* ; couches?
        file d'attente
    """),
    "label": first(r"""
        the decision@ ; (?:final )?decisions?@ ; decided@ ; (?:new )?rules?@ ; one rule@ ; note@
        for the record@ ; fix(?:ed)?@ ; (?:root )?cause@ ; conventions?@ ; config(?:uration)?@
        known (?:issue|limitation)s?@ ; open(?: issue| point| question)?s?@ ; todo@ ; policy@
        architecture@ ; important@ ; remember@ ; conclusion@ ; agreed@ ; as a rule@
        let me write it down@ ; i'll write it down@
        one (?:more )?thing (?:remains|is left|that)@
        one (?:more )?thing i (?:noticed|could not|couldn't)@ ; still open@ ; final@
        entscheidung@ ; regel@ ; merke@ ; offen@ ; ursache@ ; festgehalten@ ; allgemein bei uns@
        decisión@ ; regla@ ; nota@ ; importante@ ; pendiente@ ; causa@ ; décision@ ; règle@
        à retenir@ ; for the record ; by convention ; known limitation ; note that
        keep in mind ; remember that
    """),
    "plain": first(r"""
        (?:we|i)(?:'ve| have)? (?:now |finally |just )?(?:decided|chose|chosen|opted)(?! nothing)
        (?:we|i)(?:'ve| have)? (?:agreed (?:to|on|that)|settled on)
        we(?:'ve| have)? (?:standardi[sz]ed|switched|moved|migrated)(?! on)
        we(?:'ve| have)? (?:replaced|adopted|dropped)
        we (?:now |only |always )?use (?:the |a |an )?\w[\w-]+ (?:\S+ )?(?:for|as|with|in)
        instead of \S+ we ; we(?:'ll| will)(?: now| only| always)? (?:use|stay|stick|go|store|run)
        we(?:'ll| will)(?: now| only| always)? (?:move|switch|keep(?! (?:that|this|it|going|you)))
        let's (?:go with|use(?! this| that| it)|stay with|stick (?:with|to)|drop)
        let's (?:keep(?! going)|switch to|move to)
        (?:we're|we are) (?:going with|using|switching to|moving to|dropping|keeping)
        (?:decision|decided|agreed|convention|rule|policy|architecture)@
        (?:root cause|cause|fix|fixed)@
        (?:known issue|known limitation|open issue|todo|bug|configuration|config|pattern|note)@
        (?:the )?(?:root cause|cause) (?:was|is) ; it turned out that
        (?:the )?(?:bug|problem|issue|error|failure|crash|leak) (?:was that|is that|came from)
        (?:this|that|it|(?:the )?(?:bug|problem|issue|error|crash|outage)) (?:was|is) caused by
        (?:the )?fix (?:was|is) (?:to|that) ; fixed (?:by|in|with|through) ; solved by
        resolved by ; (?:implemented|introduced|switched from|switched to) \S+ \S+
        (?:migrated|replaced) \S+ \S+
        (?:all|every|each|no) (?:\S+ ){1,4}?(?:must|should|has to|have to|may|goes through|uses?)
        always (?!happy)\w+ ; never (?!mind)\w+ ; set [A-Z][A-Z0-9_]{2,} ; entschieden@
        entscheidung@ ; wir (?:haben uns ~)?(?:entschieden|nehmen|verwenden|nutzen|bleiben)
        beschlossen@ ; (?:hemos )?(?:decidido|decidimos) ; decisión@ ; usaremos
        nous avons (?:décidé|choisi)
    """),
    "standing": pattern(r"""
        the (?:default )?\S+ (?:\S+ )?(?:is|defaults to) \d+ ; environment variable [A-Z]\w+
        (?:is|are) in (?:1password|vault|bitwarden|keepass|secrets manager) ; (?:points|maps) to
        still (?:unresolved|unsolved|open|broken) ; not (?:yet )?(?:fixed|supported|handled)
        open issue ; (?:expose|own|return)s? (?:the |as |a )?[\w/+-]+ ; runs? automatically
        (?:frontend|backend|app|api|service) uses ; use port \d+
        (?:is|are|was|were) (?:now )?(?:stored|kept|configured|set|hosted) (?:in|on|to|at|under)
        (?:is|are|was|were) (?:now )?(?:deployed|located) (?:in|on|to|at|under)
        (?:listens?|runs?) on (?:port )?\S+ ; (?:lives?|reside[sd]?) (?:in|on|under)
        (?:talks?|connects?|writes|sends?) to ~\w+ ~(?:through|over|via|by|in)
        (?:reads?|consumes?|pulls) ~\w+ from
    """),
    "imperative": first(r"""
        use ; keep ; put ; store ; set ; pin ; train ; run ; always ; never ; don't ; do not
        prefer ; avoid ; make sure ; ensure ; treat ; stick ; forget ; drop ; nutze ; verwende
        nimm ; setze? ; niemals ; immer ; usa ; usad ; nunca ; siempre ; no uses ; utilise[rz]?
        toujours
    """),
}

ANAPHOR: Final = first(r"""
    it ; it's ; that ; that's ; this ; they ; he ; she ; these ; those ; them ; das ; dies ; es
    dafür ; eso ; esto ; ça ; c'est
""")
"""It means what stands before."""
CURE: Final = first(r"""
    (?:the )?fix(?:ed)? ; solution ; workaround ; i fixed ; lösung ; behoben ; solución
    arreglado ; lo he arreglado ; correction
""")
CONTINUES: Final = first(r"""
    it ; that ; this ; they ; these ; those ; otherwise ; because ; the reason ; therefore
    hence ; until ; fix ; fixed ; the fix ; workaround ; for (?:the|that|this) ; reason
    same for ; i (?:\w+ )?(?:fixed|left|added|changed|moved)
    i (?:\w+ )?(?:replaced|compute|haven't|could not|couldn't|set) ; das ; dies ; es ; sonst
    deshalb ; ich habe ; in software ; eso ; así ; por eso ; lo he ; he (?:añadido|cambiado)
    sinon ; c'est pourquoi
""")

ALL: Final = KEPT | CHATTER

CLAUSE: Final = re.compile(r"[,:;]| and | und | y | et ")
CAPITALS: Final = re.compile(r"(?<=[a-z,] )[A-Z][\w-]+")

OPTIONS: Final = pattern(r"""
    options? ; approach(?:es)? ; ways? ; alternatives? ; possibilit(?:y|ies) ; candidates?
    ideas? ; could ; might ; choices? ; overview ; proposals? ; suggestions? ; plan ; steps
    wege ; varianten ; möglichkeiten ; vorschläge ; opciones ; alternativas ; formas ; pistes
""")
"""A list under this offers what nobody has chosen yet."""
INTRODUCTION: Final = pattern(r"""
    decisions? ; decided ; agreed ; write it down ; rules? ; conventions? ; config(?:uration)?
    settings? ; open (?:issues?|points?|questions?) ; known issues? ; root causes? ; fix(?:es)?
    result ; findings? ; for the record ; architecture ; entscheidungen? ; beschlossen ; regeln?
    decisiones ; reglas ; pendientes? ; décisions ; règles
""")


LABELS: Final = {
    "decision": label(
        "decisions?|decided?|agreed|conclusion|entscheidung(?:en)?|decisi[oó]n(?:es)?|décisions?"
    ),
    "pattern": label("rules?|conventions?|policy|regeln?|bei uns|reglas?|règles?"),
    "issue": label(
        "root cause|cause|known (?:issue|limitation)s?|open(?: issues?| points?)?|todo|bug|ursache"
        "|offen|pendientes?|one (?:more )?thing"
    ),
    "configuration": label("config(?:uration)?|settings?|einstellungen"),
    "architecture": label("architecture|architektur|arquitectura"),
}

CONTRAST: Final = pattern(r"""
    instead(?: of)? ; rather than ; statt ; anstelle ; anstatt ; en lugar de ; en vez de
    au lieu de
""")
"""A change, unless the sentence tells why something went wrong."""
CHANGE: Final = pattern(r"""
    no longer ; (?:not|n't|never)\b[^.;]{1,80}\bany ?more ; any longer ; becomes? ; replace[sd]?
    supersede[sd]? ; from now on ; after all ; back (?:to|in|out) ; revert(?:ed|s)?
    (?:moves?|moved|goes?) (?:\S+ ){0,6}?(?:from|out|away|back|to)
    (?:switch\w*|migrat\w+|change[sd]|from) (?:\S+ ){0,6}?(?:from|out|away|back|to)
    (?:is|are) (?:removed|gone|dropped|deprecated) ; new rule ; changed our mind ; nicht mehr
    künftig ; ab (?:jetzt|sofort) ; ersetzt ; doch ; geht von ; von \S+ \S* ?auf ; umgestellt
    wechseln ; ya no ; a partir de ahora ; pasa(?:mos)? (?:a|de) ; cambia(?:mos)? de ; sustituye
    volvemos a ; ne ~plus ; désormais ; remplacé?
""")
REVERSAL: Final = pattern(r"""
    back ; after all ; revert(?:ed|s)? ; chang(?:e|ed) (?:my|our) minds? ; on second thou?ghts?
    no longer ; scratch that ; off the table ; never ?mind ; (?:not|n't)\b[^.;]{1,80}\bany ?more
    doch ; zurück ; nicht mehr ; rückgängig ; al final ; volvemos ; ya no ; mejor no
    finalement ; retour à
""")
"""What was said a while ago in the same conversation does not hold any more."""
OUTGOING: Final = re.compile(
    r"\b(?:from(?! now)|out of|instead of|rather than|no longer|replac(?:e|es|ed|ing)|drop(?:s"
    r"|ped|ping)?"
    r"|statt|anstelle|von|nicht mehr|en lugar de|en vez de|ya no|de"
    r"|au lieu de)\s+((?:[\w.+#/-]+\s*){1,5})"
    r"|((?:[\w.+#/-]+\s+){1,3})(?:is|are) (?:removed|rejected|gone|dropped|deprecated|off|out)\b",
    re.IGNORECASE,
)
"""What a change does away with."""
RECAP: Final = pattern(r"""
    recap ; to sum up ; summar(?:y|ize|ise) ; summing up ; in short ; tl;?dr ; changelog
    release notes? ; post ?mortem ; wiki ; write down ; pr description ; here we go
    as (?:agreed|decided|discussed) ; once more ; in one line ; commit message ; stand-?up
    where we are ; mention that ; status report ; newsletter ; zusammenfassung ; zusammengefasst
    kurz gesagt ; gern ; protokoll ; resum(?:en|iendo) ; en resumen ; acta ; résumé ; en bref
""")
