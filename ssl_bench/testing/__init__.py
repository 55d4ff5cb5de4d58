"""Contract checks for what plugins provide, one's own and other people's.

    from ssl_bench.testing import contract_tests
    test_contract = contract_tests(my_plugin)   # the whole test file of a plugin

    from ssl_bench.testing import check_method
    assert not check_method(SPEC, "regression")  # a list of sentences, empty where all is well

Methods are checked on two toy tasks, one of each kind, with small networks that hold no normalisation layer and
perturbations that are the same in every run: nothing but the method itself can carry what unlabelled images tell.
"""

from ssl_bench.testing.contract import check_method, check_task, contract_tests, find_subjects
from ssl_bench.testing.toys import TOYS, ToyClassification, ToyRegression, ToyStream, build_toy

__all__ = [
    "TOYS",
    "ToyClassification",
    "ToyRegression",
    "ToyStream",
    "build_toy",
    "check_method",
    "check_task",
    "contract_tests",
    "find_subjects",
]
