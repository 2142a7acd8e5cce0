from hypothesis import settings

settings.register_profile("bakeoff", deadline=None)  # timings are never asserted: the machines are shared
settings.load_profile("bakeoff")
