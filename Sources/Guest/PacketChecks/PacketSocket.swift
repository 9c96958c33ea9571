import Datapath
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// Sends and receives whole frames on one interface (packet(7)). It is for the self-test's own virtual devices.
struct PacketSocket: ~Copyable {
    /// `ETH_P_ALL` of `linux/if_ether.h`.
    private static let everyProtocol: UInt16 = 3

    private let file: FileDescriptor

    init(interface: Int32) throws(SystemError) {
        file = FileDescriptor(owning: try Self.open(interface: interface))
    }

    /// Takes over the descriptor that `open` returned.
    init(owning descriptor: Int32) {
        file = FileDescriptor(owning: descriptor)
    }

    /// Returns a descriptor that can be used outside of the thread that is in the interface's network namespace.
    static func open(interface: Int32) throws(SystemError) -> Int32 {
        let number = try check("socket", "AF_PACKET") {
            socket(AF_PACKET, Int32(SOCK_RAW.rawValue), Int32(Self.everyProtocol.bigEndian))
        }
        let file = FileDescriptor(owning: number)
        // struct sockaddr_ll, which Swift's Glibc module lacks: family, protocol (network order), ifindex, and 12 bytes
        // that bind(2) does not read.
        var address = [UInt8](repeating: 0, count: 20)
        address.withUnsafeMutableBytes { bytes in
            bytes.storeBytes(of: UInt16(AF_PACKET), toByteOffset: 0, as: UInt16.self)
            bytes.storeBytes(of: Self.everyProtocol.bigEndian, toByteOffset: 2, as: UInt16.self)
            bytes.storeBytes(of: interface, toByteOffset: 4, as: Int32.self)
        }
        try check("bind", "interface \(interface)") {
            address.withUnsafeBytes { bytes in
                bytes.withMemoryRebound(to: sockaddr.self) { bind(number, $0.baseAddress, socklen_t(bytes.count)) }
            }
        }
        return file.release()
    }

    func send(_ frame: [UInt8]) throws(SystemError) {
        let number = file.rawValue
        try check("send", "packet socket") { Glibc.send(number, frame, frame.count, 0) }
    }

    /// Returns the first frame that fits, or nil if none came in time.
    func receive(within milliseconds: Int32, where fits: ([UInt8]) -> Bool) throws(SystemError) -> [UInt8]? {
        let number = file.rawValue
        let deadline = Deadline.after(.milliseconds(Int64(milliseconds)))
        var buffer = [UInt8](repeating: 0, count: 4096)
        while try waitUntilReady(number, events: Int16(POLLIN), until: deadline) {
            let count = try check("recv", "packet socket") { recv(number, &buffer, buffer.count, 0) }
            let frame = Array(buffer.prefix(count))
            if fits(frame) { return frame }
        }
        return nil
    }
}
