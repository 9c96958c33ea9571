import Foundation
import Glibc
import NodeProtocol
import Synchronization

/// Stands for QEMU's listening socket and the node behind it. Every accepted connection is passed to `serve` on a
/// thread of its own.
final class FakeNode: Sendable {
    let path: String
    private let listener: Int32
    let connections = Mutex<[Int32]>([])

    init(
        path: String = "/tmp/labrun-test-\(UInt32.random(in: 0...UInt32.max)).sock",
        serve: @escaping @Sendable (FakeConnection) -> Void
    ) {
        self.path = path
        unlink(path)
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        listen(listener, 4)
        self.listener = listener
        Thread.detachNewThread { [weak self] in
            while true {
                let accepted = accept(listener, nil, nil)
                guard accepted >= 0, let self else { return }
                self.connections.withLock { $0.append(accepted) }
                Thread.detachNewThread { serve(FakeConnection(descriptor: accepted)) }
            }
        }
    }

    deinit { end() }

    func end() {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        unlink(path)
        hangUp()
    }

    /// Ends every connection, but not the listener.
    func hangUp() {
        connections.withLock { list in
            for descriptor in list { shutdown(descriptor, Int32(SHUT_RDWR)) }
            list = []
        }
    }
}

final class FakeConnection: @unchecked Sendable {  // used by one thread
    let descriptor: Int32
    private var decoder = FrameDecoder()
    var session: UInt32 = 0

    init(descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }

    func next() -> Frame? {
        var bytes = [UInt8](repeating: 0, count: 65536)
        while true {
            if let frame = decoder.next() { return frame }
            let count = read(descriptor, &bytes, bytes.count)
            guard count > 0 else { return nil }
            decoder.append(bytes[..<count])
        }
    }

    func write(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }

    func send(_ frame: Frame?) { write(frame?.encoded ?? []) }

    /// Answers hellos and passes other requests on.
    func serve(boot: String, _ body: (Frame, NodeRequest) -> Void) {
        while let frame = next() {
            guard let request: NodeRequest = try? frame.decode() else { continue }
            if case .hello(let hello) = request {
                session = hello.session
                let reply = HelloReply(
                    version: 1, bootID: boot, kernel: "6.1", uptimeMillis: 1, configured: false)
                send(try? .reply(.hello(reply), session: session, id: frame.request))
            } else {
                body(frame, request)
            }
        }
    }
}

/// Tells a test that a request has arrived.
struct Arrivals {
    private let stream = AsyncStream.makeStream(of: Void.self)

    func arrived() { stream.continuation.yield() }

    func first() async {
        for await _ in stream.stream { return }
    }
}
