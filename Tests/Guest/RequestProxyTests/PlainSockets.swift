import LinuxKernel
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

private func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
}

private func withAddress<Result>(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
    var address = loopback(port)
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
}

/// Sends, and reads until the other side ends the connection or sends nothing for `patience` milliseconds.
enum LoopbackClient {
    static func exchange(_ text: String, port: UInt16) throws -> String {
        try exchange(Array(text.utf8), port: port, patience: 3000)
    }

    static func exchange(_ bytes: [UInt8], port: UInt16, patience: Int32) throws -> String {
        String(decoding: try octets(bytes, port: port, patience: patience), as: UTF8.self)
    }

    static func octets(_ bytes: [UInt8], port: UInt16, patience: Int32) throws -> [UInt8] {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        guard withAddress(port, { connect(descriptor, $0, $1) }) == 0 else {
            throw SystemError(code: errno, call: "connect")
        }
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { break }
            sent += count
        }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, patience) > 0 else { break }
            let count = read(descriptor, &buffer, buffer.count)
            if count <= 0 { break }
            answer += buffer[..<count]
        }
        return answer
    }
}

/// Answers every head with status 200 and a body, and records all octets that came.
final class PlainServer: Sendable {
    private let content = Mutex<[UInt8]>([])
    private let listener = Mutex<Int32>(-1)
    private let body: String

    init(body: String = "hello") { self.body = body }

    var seen: String { content.withLock { String(decoding: $0, as: UTF8.self) } }

    func start() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard withAddress(0, { bind(descriptor, $0, $1) }) == 0, listen(descriptor, 64) == 0 else {
            throw SystemError(code: errno, call: "bind")
        }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(descriptor, $0, &length) }
        }
        listener.withLock { $0 = descriptor }
        startThread("server") { [self] in
            while true {
                let connection = accept(descriptor, nil, nil)
                if connection < 0 { return }
                startThread("connection") { self.serve(connection) }
            }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    func stop() {
        listener.withLock { descriptor in
            shutdown(descriptor, Int32(SHUT_RDWR))
            close(descriptor)
        }
    }

    private func serve(_ descriptor: Int32) {
        defer { close(descriptor) }
        var received: [UInt8] = []
        var answered = 0
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            if count <= 0 { return }
            content.withLock { $0 += buffer[..<count] }
            received += buffer[..<count]
            // The tests' bodies contain no empty line.
            let text = String(decoding: received, as: UTF8.self)
            if let field = text.firstRange(of: "Content-Length: "), let end = text.firstRange(of: "\r\n\r\n"),
                let length = Int(text[field.upperBound...].prefix { $0.isNumber }),
                text[end.upperBound...].utf8.count < length
            {
                continue
            }
            let heads = text.ranges(of: "\r\n\r\n").count
            while answered < heads {
                answered += 1
                let ends = text.contains("close") ? "Connection: close\r\n" : ""
                let answer = Array("HTTP/1.1 200 OK\r\n\(ends)Content-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
                var sent = 0
                while sent < answer.count {
                    let count = answer[sent...].withUnsafeBytes {
                        send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                    }
                    if count <= 0 { return }
                    sent += count
                }
            }
        }
    }
}
