"""Puts the parts together: configuration, database, model, services. The only place where they meet."""

from dataclasses import dataclass

from mpi.config import Config
from mpi.matching.model import LinkageModel, for_population, load, load_default
from mpi.services.auditing import Auditing
from mpi.services.changes import Changes
from mpi.services.decisions import Decisions
from mpi.services.feed import Feed
from mpi.services.forwarding import Forwarding
from mpi.services.gate import Gate, Overrides, PolicyTrials, Rechecks, StudyDecisions, load_policy
from mpi.services.glass import Glass
from mpi.services.held import Held
from mpi.services.inbox import Inbox
from mpi.services.links import Linker
from mpi.services.load import Loader
from mpi.services.load_messages import MessageLoader
from mpi.services.match import Matcher
from mpi.services.merge import Merger
from mpi.services.outbox import Outbox
from mpi.services.overview import Overview
from mpi.services.own_account import OwnAccount
from mpi.services.people import People
from mpi.services.protected import Protected
from mpi.services.provider import ProviderSignIn
from mpi.services.quality.estimates import Estimates
from mpi.services.quality.sample import Sampler
from mpi.services.quality.sources import SourceCards
from mpi.services.quality.trial import Trials
from mpi.services.quality.workload import Workloads
from mpi.services.quarantine import Quarantine
from mpi.services.query import IdentifierQueries
from mpi.services.query_people import PersonQueries
from mpi.services.queue import Queue
from mpi.services.register import Registrar
from mpi.services.review import Review
from mpi.services.studies.known import PriorStudies
from mpi.services.studies.lists import StudyLists
from mpi.services.studies.view import StudyViews
from mpi.services.trace_export import TraceExport
from mpi.services.trace_import import TraceImport
from mpi.services.undo import Undo
from mpi.services.upkeep import QueueUpkeep
from mpi.services.users import Users
from mpi.store.database import Database
from mpi.store.unit_of_work import Store


@dataclass(frozen=True)
class App:
    """The services of one installation, ready to be used by the doors."""

    config: Config
    store: Store
    model: LinkageModel
    registrar: Registrar
    inbox: Inbox
    loader: Loader
    message_loader: MessageLoader
    review: Review
    queue: Queue
    upkeep: QueueUpkeep
    people: People
    undo: Undo
    decisions: Decisions
    matcher: Matcher
    identifier_queries: IdentifierQueries
    person_queries: PersonQueries
    overview: Overview
    gate: Gate
    study_decisions: StudyDecisions
    quarantine: Quarantine
    prior_studies: PriorStudies
    overrides: Overrides
    rechecks: Rechecks
    forwarding: Forwarding
    policy_trials: PolicyTrials
    sampler: Sampler
    estimates: Estimates
    source_cards: SourceCards
    workloads: Workloads
    trials: Trials
    study_lists: StudyLists
    study_views: StudyViews
    users: Users
    own_account: OwnAccount
    provider: ProviderSignIn
    outbox: Outbox
    changes: Changes
    protected: Protected
    glass: Glass
    auditing: Auditing
    trace_export: TraceExport
    trace_import: TraceImport

    def close(self) -> None:
        """Close the database's connections."""
        self.store.database.close()


def _model(config: Config) -> LinkageModel:
    """The model that is configured, its prior put right for the size of this index."""
    model = load_default() if config.model == "default" else load(config.model)
    return for_population(model, config.population) if config.population else model


def build(config: Config) -> App:
    """The services as `config` asks for them. The database is not touched before the first use."""
    store = Store(Database(config.database_url))
    users = Users(store, config)
    model = _model(config)
    registrar = Registrar(config, model)
    merger = Merger(model)
    linker = Linker(model, registrar)
    policy = load_policy(config)
    gate = Gate(store, config, policy)
    inbox = Inbox(store, config, model, Feed(registrar, merger, linker))
    return App(
        config=config,
        store=store,
        model=model,
        registrar=registrar,
        inbox=inbox,
        loader=Loader(store, model, registrar),
        message_loader=MessageLoader(store, inbox),
        review=Review(store, config, model, Held(registrar, merger, linker)),
        queue=Queue(store, config),
        upkeep=QueueUpkeep(store, config),
        people=People(store, config, model),
        undo=Undo(store, config, model),
        decisions=Decisions(store, config, model, merger),
        matcher=Matcher(store, config, model),
        identifier_queries=IdentifierQueries(store, config),
        person_queries=PersonQueries(store, config, model),
        overview=Overview(store),
        study_decisions=StudyDecisions(store, config, policy),
        gate=gate,
        quarantine=Quarantine(store, config, gate),
        prior_studies=PriorStudies(store, config),
        overrides=Overrides(store, config, policy),
        rechecks=Rechecks(store, config, policy),
        forwarding=Forwarding(store, config, gate),
        users=users,
        own_account=OwnAccount(store, users),
        provider=ProviderSignIn(store, config, users),
        policy_trials=PolicyTrials(store, config, policy),
        sampler=Sampler(store, config, model),
        estimates=Estimates(store),
        source_cards=SourceCards(store, config),
        workloads=Workloads(store),
        trials=Trials(store, model, Workloads(store), config.population),
        study_lists=StudyLists(store, config),
        study_views=StudyViews(store, config, policy, Overrides(store, config, policy)),
        protected=Protected(store, config),
        glass=Glass(store),
        auditing=Auditing(store, config),
        trace_export=TraceExport(store, config),
        trace_import=TraceImport(store, config, model, registrar),
        outbox=Outbox(store, config),
        changes=Changes(store, config),
    )
