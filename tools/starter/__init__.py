"""How the weights in ``models/`` were made: data by ``tools.render``, training by these modules."""
