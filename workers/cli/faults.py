"""What stops the command line with a sentence, and with which exit code."""

from typing import Final

from topology.management import ManagementError
from workers.cli.input import FileFault
from workers.client import LoginFailed
from workers.embedded.errors import ServerFailed, ServerMissing
from workers.keyring import KeyringError
from workers.mappings import MappingError
from workers.settings import SettingsError
from workers.spool import SpoolError
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
