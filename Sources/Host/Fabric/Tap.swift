import Glibc
import LinuxKernel

/// A persistent tap device, to be opened by the hypervisor (`<target managed='no'/>`).
enum Tap {
    // linux/if_tun.h
    private static let TUNSETIFF: UInt = 0x4004_54CA
    private static let TUNSETPERSIST: UInt = 0x4004_54CB
    private static let tapWithoutPacketInformation: UInt16 = 0x0002 | 0x1000
    /// sizeof(struct ifreq)
    private static let requestLength = 40

    /// Makes a persistent tap.
    ///
    /// - Throws: `SystemError`: `ENOENT` or `EACCES` when `/dev/net/tun` cannot be opened, `EBUSY` when the name is
    ///   taken.
    static func create(_ name: String) throws(SystemError) {
        let device = try FileDescriptor.open("/dev/net/tun", O_RDWR)
        let number = device.rawValue
        var request = [UInt8](repeating: 0, count: requestLength)
        for (index, byte) in name.utf8.prefix(15).enumerated() { request[index] = byte }
        request[16] = UInt8(truncatingIfNeeded: tapWithoutPacketInformation)
        request[17] = UInt8(truncatingIfNeeded: tapWithoutPacketInformation >> 8)
        try check("ioctl TUNSETIFF", name) {
            request.withUnsafeMutableBytes { buffer -> Int32 in
                guard let address = buffer.baseAddress else { return -1 }
                return ioctl(number, TUNSETIFF, address)
            }
        }
        try check("ioctl TUNSETPERSIST", name) { ioctl(number, TUNSETPERSIST, CInt(1)) }
    }
}
