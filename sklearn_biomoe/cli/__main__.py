"""``python -m sklearn_biomoe.cli``, for environments whose scripts are not on the path."""

from . import main

if __name__ == "__main__":
    main()
