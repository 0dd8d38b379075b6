#!/usr/bin/env python3
"""Many guests of the lab in one process: a tap device each, in whatever network namespace its switch runs.

Lines in:  open TAP NETNS MTU     makes the device, up              -> "opened TAP"
           send TAP HEX           a frame as if the guest sent it
           answer TAP IP MAC      from now on the guest answers ARP or ND for this address with this MAC
           mtu TAP BYTES          of the device                          -> "resized TAP"
           silent TAP             it answers for no address
           sync N                 -> "synced N" behind all that had come in, once all before is sent
Lines out: got TAP HEX            a frame that the guest received, with its tags

Standard library only. Started by test/lab/taps.ts, which says what a guest is.
"""
import ctypes
import fcntl
import os
import select
import socket
import struct
import sys

# if_tun.h, if.h, sockios.h
TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI = 0x1002
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFMTU = 0x8913, 0x8914, 0x8922
IFF_UP = 1
CLONE_NEWNET = 0x40000000
FRAME_BYTES = 65536

libc = ctypes.CDLL(None, use_errno=True)


class Tap:
    def __init__(self, name, netns, mtu):
        enter(netns)
        self.name = name
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI)
        fcntl.ioctl(self.fd, TUNSETIFF, request)
        # The namespace is a hypervisor's: its own stack must not speak on a guest's wire.
        with open("/proc/sys/net/ipv6/conf/%s/disable_ipv6" % name, "w") as knob:
            knob.write("1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            flags = struct.unpack("16xH22x", fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sH22x", name.encode(), 0)))[0]
            fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), flags | IFF_UP))
        self.answers = {}
        self.netns = netns
        self.resize(mtu)

    def resize(self, mtu):
        enter(self.netns)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, SIOCSIFMTU, struct.pack("16si20x", self.name.encode(), mtu))

    def send(self, frame):
        os.write(self.fd, frame)

    def drain(self):
        while True:
            try:
                frame = os.read(self.fd, FRAME_BYTES)
            except BlockingIOError:
                return
            sys.stdout.write("got %s %s\n" % (self.name, frame.hex()))
            reply = answer(self.answers, frame)
            if reply is not None:
                self.send(reply)


def enter(netns):
    with open("/run/netns/" + netns) as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns " + netns)


def answer(answers, frame):
    """What a host with these addresses replies to a question about one of them; None = nothing."""
    kind = frame[12:14]
    if kind == b"\x08\x06" and len(frame) >= 42 and frame[20:22] == b"\x00\x01":
        mac = answers.get(frame[38:42])
        if mac is None or frame[28:32] == frame[38:42]:
            return None
        return frame[22:28] + mac + frame[12:20] + b"\x00\x02" + mac + frame[38:42] + frame[22:32]
    if kind == b"\x86\xdd" and len(frame) >= 78 and frame[20] == 58 and frame[54] == 135:
        target = frame[62:78]
        mac = answers.get(target)
        if mac is None:
            return None
        asker, detecting = frame[22:38], frame[22:38] == bytes(16)
        to_ip = socket.inet_pton(socket.AF_INET6, "ff02::1") if detecting else asker
        to_mac = b"\x33\x33\x00\x00\x00\x01" if detecting else frame[6:12]
        body = struct.pack("!BBHI", 136, 0, 0, 0x20000000 if detecting else 0x60000000) + target + b"\x02\x01" + mac
        pseudo = target + to_ip + struct.pack("!II", len(body), 58)
        body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
        header = struct.pack("!IHBB", 0x60000000, len(body), 58, 255) + target + to_ip
        return to_mac + mac + b"\x86\xdd" + header + body
    return None


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packed(ip):
    return socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip)


def main():
    taps = {}
    poll = select.epoll()
    poll.register(0, select.EPOLLIN)
    by_fd = {}
    pending = b""
    while True:
        for fd, _ in poll.poll():
            if fd != 0:
                by_fd[fd].drain()
                continue
            part = os.read(0, 1 << 20)
            if not part:
                return
            *lines, pending = (pending + part).split(b"\n")
            for line in lines:
                verb, name, *rest = line.decode().split(" ")
                if verb == "send":
                    taps[name].send(bytes.fromhex(rest[0]))
                elif verb == "sync":
                    for tap in taps.values():
                        tap.drain()
                    sys.stdout.write("synced " + name + "\n")
                elif verb == "answer":
                    taps[name].answers[packed(rest[0])] = bytes.fromhex(rest[1].replace(":", ""))
                elif verb == "silent":
                    taps[name].answers.clear()
                elif verb == "mtu":
                    taps[name].resize(int(rest[0]))
                    sys.stdout.write("resized " + name + "\n")
                elif verb == "open":
                    tap = taps[name] = Tap(name, rest[0], int(rest[1]))
                    by_fd[tap.fd] = tap
                    poll.register(tap.fd, select.EPOLLIN)
                    sys.stdout.write("opened " + name + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
