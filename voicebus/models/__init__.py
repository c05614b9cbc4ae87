"""Model files: which ones there are, where they come from, and whether they are right."""

from voicebus.models.lock import Lock, Model, load_lock, lock_path
from voicebus.models.progress import Progress, SilentProgress, progress_for
from voicebus.models.store import FileState, ModelState, ModelStore, default_folder

__all__ = [
    "FileState",
    "Lock",
    "Model",
    "ModelState",
    "ModelStore",
    "Progress",
    "SilentProgress",
    "default_folder",
    "load_lock",
    "lock_path",
    "progress_for",
]
