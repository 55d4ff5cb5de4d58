"""What the package promises, as `ssl-bench check dilated-stack` has it."""

import ssl_bench_dilated_stack

from ssl_bench.testing import contract_tests

test_contract = contract_tests(ssl_bench_dilated_stack)
