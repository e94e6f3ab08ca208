"""What a daemon works with, once it is loaded: the model, the table, and the service on both."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from cco_knowledge.backing_up import Backups
from cco_knowledge.config import Config, SecretsConfig
from cco_knowledge.credentials.vault import Vault
from cco_knowledge.drafting import Drafting
from cco_knowledge.embedding.engine import Engine, load_engine
from cco_knowledge.models import resolve_model
from cco_knowledge.paths import Home
from cco_knowledge.redaction import Policy, Redactor
from cco_knowledge.search.searcher import Searcher
from cco_knowledge.service import KnowledgeService
from cco_knowledge.store.lance import LanceStore

_MAX_DEFAULT_THREADS = 4


@dataclass(frozen=True, slots=True)
class Parts:
    engine: Engine
    store: LanceStore
    searcher: Searcher
    service: KnowledgeService
    backups: Backups
    vault: Vault
    home: Home

    @classmethod
    async def load(
        cls, config: Config, home: Home, tell: Callable[[str], None], *, in_doubt: bool
    ) -> Self:
        """`tell` hears what is going on. `in_doubt`: the last daemon did not end cleanly.

        Raises:
            StartRefused: the model or the table cannot be used.
        """
        tell(f"loading the model {config.model.name}")
        engine = await asyncio.to_thread(_load_engine, config, home)
        tell("opening the table")
        store = await LanceStore.open(
            home.data,
            engine.identity,
            config.store.cache_bytes,
            durability=config.store.durability,
            in_doubt=in_doubt,
        )
        searcher = Searcher(store, engine)
        vault = Vault(home.credential_key, lambda: store.key_ids)
        drafting = Drafting(engine, vault, Redactor(policy_of(config.secrets)))
        service = KnowledgeService(store, engine, searcher, drafting, config.knowledge.extra_types)
        backups = Backups(store, home.data, home.backups, config.backup)
        return cls(engine, store, searcher, service, backups, vault, home)

    @property
    def are_alive(self) -> bool:
        """Whether the writer, the disk and the model move."""
        return self.store.is_alive and not self.engine.is_stuck

    async def close(self) -> None:
        """Finish what was begun, then let go of the files."""
        await self.service.close()
        try:
            await self.store.close()
        finally:
            await self.engine.close()


def policy_of(secrets: SecretsConfig) -> Policy:
    return Policy(
        secrets.policy,
        secrets.reject_types,
        secrets.redact_types,
        secrets.allow_types,
    )


def _load_engine(config: Config, home: Home) -> Engine:
    embedding = config.embedding
    return load_engine(
        resolve_model(config.model.name, home.models),
        threads=embedding.threads or min(os.cpu_count() or 1, _MAX_DEFAULT_THREADS),
        queue_size=embedding.queue_size,
        cache_size=embedding.cache_size,
    )
