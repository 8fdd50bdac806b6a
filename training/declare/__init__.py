"""What a user declares of a training, checked when it is imported; and the order that follows.

::

    Training -> files, pins, data -> order_of -> Order, with its key

Knows neither torch nor any platform: a plan is made of it in no time.
"""
