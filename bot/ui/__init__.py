"""What members see and press: ids of buttons, layouts, answers."""
