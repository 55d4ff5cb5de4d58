"""What the package promises, as `ssl-bench check two-views` has it."""

import ssl_bench_two_views

from ssl_bench.testing import contract_tests

test_contract = contract_tests(ssl_bench_two_views)
