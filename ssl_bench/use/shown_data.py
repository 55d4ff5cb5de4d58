"""The data of a finished cell, opened to be shown: where its user says it lies, or where the user's commands worked."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from ssl_bench.dataset import Dataset
from ssl_bench.errors import DataError
from ssl_bench.machine.own_folders import is_own, note_own
from ssl_bench.plan.order import Order
from ssl_bench.registry.registry import Registry
from ssl_bench.worker.build import open_cell_data, require_same

NOT_STATED: Mapping[str, Path] = MappingProxyType({})


def open_shown_data(order: Order, registry: Registry, stated: Mapping[str, Path] = NOT_STATED) -> Dataset:
    """The data set that a finished cell was run on, byte for byte.

    `stated`: task to the folder that holds it, by the user's own word, which is kept in mind. A folder that the cell
    alone names is looked into only where a command of this user's has worked on it: whoever wrote the cell may have
    named any. Raises DataError where that is not so, where it cannot be opened, and where it is not what the cell was
    run on.
    """
    cell = order.cell
    if (path := stated.get(cell.task)) is not None and order.path is not None:
        order = replace(order, path=str(path.absolute()))
        note_own([path])
    for folder in (order.path, *order.unlabeled):
        if folder is not None and not is_own(folder):
            raise DataError(
                f"cell {cell.id} names {folder} as its data, where no command of yours has worked; if you trust it, "
                f"say where the data lies: add --data {cell.task}={folder} to `ssl-bench show`, `compare` or `report`"
            )
    dataset = open_cell_data(order, registry)
    require_same(order, dataset)
    return dataset
