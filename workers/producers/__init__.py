"""The producers. A new one needs a module, a line here and one in `LEAST_ROLE`."""

from workers.producers.backup_set_add_policies import BackupSetAddPolicies
from workers.producers.drift_generate import DriftGenerate
from workers.producers.inventory_sync import InventorySync
from workers.producers.producer import Producer

PRODUCERS: tuple[Producer, ...] = (InventorySync(), DriftGenerate(), BackupSetAddPolicies())
