import NetAddress

@testable import Fabric

/// Packets built byte by byte.
enum PacketBytes {
    static func two(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xFF), UInt8(value & 0xFF)] }

    static func ethernet(
        _ payload: [UInt8], type: Int = 0x0800, source: [UInt8] = [2, 0, 0, 0, 0, 2], tags: [UInt8] = []
    ) -> [UInt8] {
        [2, 0, 0, 0, 0, 1] + source + tags + two(type) + payload
    }

    static func ipv4(
        _ payload: [UInt8], protocol number: UInt8, from: IPv4Address = IPv4Address(10, 0, 0, 11),
        to: IPv4Address = IPv4Address(10, 0, 0, 12), fragment: Int = 0, options: [UInt8] = []
    ) -> [UInt8] {
        let words = UInt8(5 + options.count / 4)
        return [0x40 | words, 0] + two(20 + options.count + payload.count) + [0, 1] + two(fragment)
            + [64, number, 0, 0] + from.octets + to.octets + options + payload
    }

    static func udp(_ payload: [UInt8], from source: Int = 45_000, to destination: Int) -> [UInt8] {
        two(source) + two(destination) + two(8 + payload.count) + [0, 0] + payload
    }

    static func tcp(from source: Int, to destination: Int, flags: UInt8) -> [UInt8] {
        two(source) + two(destination) + [0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags] + [0, 0, 0, 0, 0, 0]
    }

    static func echo(id: Int, sequence: Int) -> [UInt8] {
        [8, 0, 0, 0] + two(id) + two(sequence)
    }

    static func vxlan(_ frame: [UInt8], vni: Int, flags: UInt8 = 8) -> [UInt8] {
        [flags, 0, 0, 0, UInt8(vni >> 16)] + two(vni & 0xFFFF) + [0] + frame
    }

    static func geneve(_ frame: [UInt8], vni: Int, options: [UInt8] = [], type: Int = 0x6558) -> [UInt8] {
        [UInt8(options.count / 4), 0] + two(type) + [UInt8(vni >> 16)] + two(vni & 0xFFFF) + [0] + options + frame
    }

    static let tunnelled = ethernet(
        ipv4(
            udp(
                vxlan(
                    ethernet(
                        ipv4(
                            echo(id: 77, sequence: 3), protocol: 1, from: IPv4Address(192, 168, 1, 5),
                            to: IPv4Address(192, 168, 2, 7))), vni: 0x01_0203),
                to: 8472), protocol: 17))
}

func decode(_ bytes: [UInt8]) -> DecodedPacket {
    bytes.withUnsafeBytes { PacketDecoder.ethernet($0) }
}
