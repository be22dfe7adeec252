// Nothing: the precompiled header of the tests needs a target to belong to.
