"""Holds karat's speed and weight against what they should be, and prints one table.

Each row is measured beside its peer in this run, in turn with it: reading the same bytes, numpy, torch,
pytest-regressions, `find`, candle. The peers are installed into target/speed/python, and what is made goes to a
temporary folder below target/speed: at most 13 GiB, removed at the end.

    python3 benches/speed.py [--only kernel,files,cases,cores,weight] [--reduce 16]

Exit 0 where every bar is met, 1 where one is not, 2 where it could not be measured. Needs Linux, two cores, cargo and the
packages of benches/speed/requirements.txt, and 16 GB of memory.
"""

import sys

from speed.main import main

if __name__ == "__main__":
    sys.exit(main())
