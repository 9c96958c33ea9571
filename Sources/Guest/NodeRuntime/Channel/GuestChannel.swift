import CNodeShim
import Files
import Glibc
import LinuxKernel
import NodeProtocol
import Synchronization

/// The node's end of the virtio-serial port: one thread reads frames, one writes them.
///
/// A port that no host has opened reports a hang-up all the time, so a level-triggered wait would return at once, for
/// ever. The reader therefore waits edge-triggered: the driver wakes its waiters when the host opens or closes the port
/// (drivers/char/virtio_console.c, `VIRTIO_CONSOLE_PORT_OPEN`).
final class GuestChannel: Sendable {
    /// When more bytes than this wait to be sent, log events are dropped and not queued.
    static let logWater = 256 << 10

    private let port: Int32
    private let queue = Mutex(Outgoing())
    private let pending = eventfd(0, Int32(EFD_CLOEXEC))

    private struct Outgoing {
        var frames: [[UInt8]] = []
        var bytes = 0
        var droppedLogs = 0
    }

    /// Finds the port by its name.
    ///
    /// - Throws: `SystemError` `ENODEV` when there is none.
    static func findPort(name: String) throws(SystemError) -> String {
        let ports = (try? Directories.names(in: NodePaths.serialPorts)) ?? []
        for entry in ports {
            let found = (try? readTextFile("\(NodePaths.serialPorts)/\(entry)/name")).map { trimmed($0) }
            if found == name { return "/dev/\(entry)" }
        }
        let seen = ports.joined(separator: " ")
        throw SystemError(code: ENODEV, call: "find virtio-serial port", subject: "\(name) among: \(seen)")
    }

    init(path: String) throws(SystemError) {
        port = try FileDescriptor.open(path, O_RDWR).release()
    }

    /// Queues a frame.
    ///
    /// - Parameter isLog: Whether the frame may be dropped when the host does not read.
    func send(_ frame: Frame, isLog: Bool = false) {
        guard let bytes = frame.encoded else { return Console.say("frame of \(frame.json.count) bytes not sent") }
        let queued = queue.withLock { queue in
            if isLog, queue.bytes > Self.logWater {
                queue.droppedLogs += 1
                return false
            }
            queue.frames.append(bytes)
            queue.bytes += bytes.count
            return true
        }
        if queued { eventfd_write(pending, 1) }
    }

    /// The number of log lines that were dropped since the last call.
    func takeDroppedLogs() -> Int {
        queue.withLock { queue in
            defer { queue.droppedLogs = 0 }
            return queue.droppedLogs
        }
    }

    /// Waits until everything queued has been handed to the host.
    func flush(until deadline: Deadline) {
        while !deadline.hasPassed, queue.withLock({ $0.bytes > 0 }) { poll(nil, 0, 1) }
    }

    /// Writes frames as they are queued, for ever.
    func runWriter() {
        while true {
            guard let frame = queue.withLock({ $0.frames.first }) else {
                var count: eventfd_t = 0
                eventfd_read(pending, &count)
                continue
            }
            writeAll(frame)
            queue.withLock { queue in
                queue.frames.removeFirst()
                queue.bytes -= frame.count
            }
        }
    }

    /// Writes all bytes. The port takes at most 32 KiB in a call, and blocks while no host is connected.
    private func writeAll(_ bytes: [UInt8]) {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                write(port, buffer.baseAddress.map { $0 + offset }, buffer.count - offset)
            }
            if count > 0 {
                offset += count
            } else if errno != EINTR && errno != EAGAIN {
                Console.fatal("writing to the channel: \(SystemError.last("write", "port"))")
            }
        }
    }

    /// Reads frames for ever; calls `opened` when a host has connected anew.
    func runReader(opened: () -> Void, received: (Frame) -> Void) throws(SystemError) {
        let epoll = try check("epoll_create1") { node_epoll_create() }
        defer { close(epoll) }
        try check("epoll_ctl", "port") {
            node_epoll_add(epoll, port, EPOLLIN.rawValue | EPOLLHUP.rawValue | EPOLLET.rawValue, 0)
        }
        var decoder = FrameDecoder()
        var connected = false
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var event = epoll_event()
        while true {
            var state = pollfd(fd: port, events: Int16(POLLIN), revents: 0)
            poll(&state, 1, 0)
            let present = state.revents & Int16(POLLHUP) == 0
            if present && !connected { opened() }
            if !present && connected { decoder.reset() }
            connected = present
            var count = 0
            if state.revents & Int16(POLLIN) != 0 { count = read(port, &buffer, buffer.count) }
            if count > 0 {
                decoder.append(buffer[..<count])
                while let frame = decoder.next() { received(frame) }
            } else if count < 0, errno != EINTR, errno != EAGAIN {
                throw .last("read", "port")
            } else if count == 0 {
                // Without a host the port is readable, and the read answers 0: wait for the next edge.
                _ = node_epoll_wait(epoll, &event, 1, -1)
            }
        }
    }
}
