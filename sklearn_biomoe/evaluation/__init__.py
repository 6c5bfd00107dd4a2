"""Studies that leave subjects out, and pages that tell of them."""
