"""What stops the command line with a sentence, and with which exit code."""

from typing import Final

from topology.management import ManagementError
from workers.analysis.options import AnalysisStopped
from workers.backbone import StartError
from workers.backup import BadBackup
from workers.cli.client import LoginFailed, NothingToWatch
from workers.cli.input import FileFault
from workers.cli.keyring import KeyringError
from workers.cli.mappings import MappingError
from workers.cli.measuring import Unmeasured
from workers.cli.occupancy import Occupied
from workers.cli.spool import SpoolError
from workers.embedded.errors import ServerFailed, ServerMissing
from workers.rebuild import NotEmpty
from workers.settings import SettingsError
from workers.store.protocol import Refused, Unavailable

UNSETTLED: Final = 1
FAILED: Final = 2
DRIFTED: Final = 3

FAULTS: Final = (
    AnalysisStopped,
    BadBackup,
    StartError,
    FileFault,
    KeyringError,
    LoginFailed,
    ManagementError,
    MappingError,
    NotEmpty,
    NothingToWatch,
    Occupied,
    Refused,
    ServerFailed,
    ServerMissing,
    SettingsError,
    SpoolError,
    Unavailable,
    Unmeasured,
)
