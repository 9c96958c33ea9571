import Glibc
import KubeletServer
import LinuxKernel
import Synchronization

/// What a test types, a piece at a time.
struct TypedInput {
    let input: RemoteInput
    private let ends: (type: @Sendable ([UInt8]) -> Void, end: @Sendable () -> Void)

    init() { (input, ends) = RemoteInput.typed() }

    func type(_ text: String) { ends.type(Array(text.utf8)) }
    func type(_ bytes: [UInt8]) { ends.type(bytes) }
    func end() { ends.end() }
}

/// Sends back what comes, on a free port of 127.0.0.1, one connection after the other.
final class EchoServer: Sendable {
    let port: UInt16
    private let listener: Int32

    init() throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let code = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) + listen(listener, 16) + getsockname(listener, $0, &length)
            }
        }
        guard code == 0 else { throw SystemError.last("bind") }
        port = UInt16(bigEndian: address.sin_port)
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { context in
                let listener = Int32(Int(bitPattern: context))
                var buffer = [UInt8](repeating: 0, count: 65_536)
                while case let connection = accept(listener, nil, nil), connection >= 0 {
                    while case let count = read(connection, &buffer, buffer.count), count > 0 {
                        var sent = 0
                        while sent < count {
                            let more = buffer[sent..<count].withUnsafeBytes {
                                send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                            }
                            if more <= 0 { break }
                            sent += more
                        }
                    }
                    close(connection)
                }
                return nil
            }, UnsafeMutableRawPointer(bitPattern: Int(listener)))
        pthread_detach(thread)
    }

    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }
}
