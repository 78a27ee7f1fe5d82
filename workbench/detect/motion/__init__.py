"""The motion teacher: people, ball and goal of a fixed camera, without trained weights."""
