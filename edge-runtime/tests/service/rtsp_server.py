"""A camera that speaks RTSP, by GStreamer's server; it misbehaves when it is told to.

rtsp_server.py PORT [USER PASSWORD]: sends a test picture of 160x120 pixels, ten times a second, as JPEG, at /live. Prints
`listening`, and `watched` for each who begins to watch. Reads from standard input, a line each:

    stall   those who watch now get nothing more, over connections that stay
    slow    whoever comes from now on waits three seconds for the first picture
    end     those who watch now are told that this was all
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402, the versions come first

PICTURES = (
    "( videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 "
    "! valve name=valve ! jpegenc ! rtpjpegpay name=pay0 )"
)
SLOW_MS = 3000

watched = []
is_slow = False


def say(word):
    print(word, flush=True)


def let_through(valve):
    valve.set_property("drop", False)
    return GLib.SOURCE_REMOVE


def begin(_, media):
    element = media.get_element()
    watched.append(element)
    if is_slow:
        valve = element.get_by_name("valve")
        valve.set_property("drop", True)
        GLib.timeout_add(SLOW_MS, let_through, valve)
    say("watched")


def obey():
    global is_slow
    for word in sys.stdin:
        match word.strip():
            case "slow":
                is_slow = True
            case "stall":
                for element in watched:
                    element.get_by_name("valve").set_property("drop", True)
            case "end":
                for element in watched:
                    element.send_event(Gst.Event.new_eos())
        say("done")
    # Whoever gave orders is gone.
    loop.quit()


def demand(server, factory, user, password):
    """Lets nobody watch but this user."""
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_role("viewer")
    for permission in (GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT):
        permissions.add_permission_for_role("viewer", permission, True)
    factory.set_permissions(permissions)


Gst.init(None)
loop = GLib.MainLoop()
server = GstRtspServer.RTSPServer(address="127.0.0.6", service=sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(PICTURES)
factory.connect("media-configure", begin)
if len(sys.argv) > 2:
    demand(server, factory, *sys.argv[2:4])
server.get_mount_points().add_factory("/live", factory)
if server.attach(None) == 0:
    sys.exit(f"nobody may listen on port {sys.argv[1]}")
say("listening")
threading.Thread(target=obey, daemon=True).start()
loop.run()
