import CNodeShim
import Glibc
import HTTPWire
import LinuxKernel
import NIOHTTP1
import RealKubelet

/// Serves the lab's images to this node's containerd, on the node's own loopback address.
enum RegistryServer {
    private static let limits = HTTPWire.Limits(head: 16_384, body: 4096)
    private static let patience = Duration.seconds(10)

    /// - Returns: The port.
    /// - Throws: `SystemError`.
    static func start(_ registry: ImageRegistry) throws(SystemError) -> UInt16 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let socket = FileDescriptor(owning: try check("socket", "registry") { Glibc.socket(AF_INET, type, 0) })
        let number = socket.rawValue
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let failure = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> SystemError? in
                if bind(number, address, length) != 0 { return .last("bind", "registry") }
                if listen(number, 64) != 0 { return .last("listen", "registry") }
                return getsockname(number, address, &length) != 0 ? .last("getsockname", "registry") : nil
            }
        }
        if let failure { throw failure }
        let owned = socket.release()
        startThread("registry") {
            while true {
                let connection = node_accept(owned)
                guard connection >= 0 else {
                    if errno == EINTR || errno == ECONNABORTED { continue }
                    Console.say("\(SystemError.last("accept", "registry"))")
                    return
                }
                startThread("image") { serve(FileDescriptor(owning: connection), registry) }
            }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    /// Answers one request; the connection ends with it.
    private static func serve(_ connection: consuming FileDescriptor, _ registry: ImageRegistry) {
        var bytes: [UInt8] = []
        let deadline = Deadline.after(patience)
        while (try? waitUntilReady(connection.rawValue, events: Int16(POLLIN), until: deadline)) == true {
            guard let chunk = try? connection.read(), !chunk.isEmpty else { return }
            bytes += chunk
            do {
                guard let request = try HTTPWire.request(in: bytes, limits: limits), request.isWhole else { continue }
                let answer = registry.answer(method: request.head.method.rawValue, target: request.head.uri)
                try? connection.writeAll(Self.bytes(answer, isHead: request.head.method == .HEAD))
            } catch {
                let refusal = ImageRegistry.Answer(status: 400)
                try? connection.writeAll(Self.bytes(refusal, isHead: true))
            }
            return
        }
    }

    private static func bytes(_ answer: ImageRegistry.Answer, isHead: Bool) -> [UInt8] {
        var headers: HTTPHeaders = [
            "Content-Type": answer.contentType, "Content-Length": "\(answer.body.count)", "Connection": "close",
        ]
        if let digest = answer.digest { headers.add(name: "Docker-Content-Digest", value: digest) }
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: answer.status), headers: headers)
        return HTTPWire.bytes(of: head, body: isHead ? [] : answer.body)
    }
}
