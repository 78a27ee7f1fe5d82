"""Who finds people, ball and goal: teachers, tracking, students, COCO scores."""
