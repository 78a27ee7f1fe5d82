"""A coach who says only what was measured of a shot: facts, rules, models, and a guard."""
