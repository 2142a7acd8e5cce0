import signal

from hypothesis import settings

settings.register_profile("bakeoff", deadline=None)  # timings are never asserted: the machines are shared
settings.load_profile("bakeoff")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so shells start jobs in the background, and so would ours be
    signal.signal(signal.SIGINT, signal.default_int_handler)
