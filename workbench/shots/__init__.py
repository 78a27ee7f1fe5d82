"""One shot at goal, from ball track to verdict: who, which foot, how fast, did it go in."""
