"""From a movie to a painted movie: joins the maths with the disk and ffmpeg.

``request`` → ``plan`` → ``run``. ``demand`` evaluates the stages frame by frame; ``api`` is what programs call.
"""
