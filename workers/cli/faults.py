"""What stops the command line with a sentence, and with which exit code."""

from typing import Final

from topology.management import ManagementError
from workers.cli.client import LoginFailed
from workers.cli.input import FileFault
from workers.cli.keyring import KeyringError
from workers.cli.mappings import MappingError
from workers.cli.spool import SpoolError
from workers.embedded.errors import ServerFailed, ServerMissing
from workers.settings import SettingsError
from workers.store.protocol import Unavailable

UNSETTLED: Final = 1
FAILED: Final = 2

FAULTS: Final = (
    FileFault,
    KeyringError,
    LoginFailed,
    ManagementError,
    MappingError,
    ServerFailed,
    ServerMissing,
    SettingsError,
    SpoolError,
    Unavailable,
)
