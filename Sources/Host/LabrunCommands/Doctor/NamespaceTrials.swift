import CLibnftables
import Foundation
import Libvirt
import LinuxKernel

/// Tries in a throw-away lab what every lab does, and reports what worked. Nothing of it survives the lab.
public enum NamespaceTrials {
    /// The argument of `LabHostProcess.spawn` that asks for the trials.
    public static let argument = "doctor"

    /// Runs as a lab host and exits if the arguments ask for the trials. In any other lab host it returns.
    public static func runIfAsked(_ channels: LabHostChannels) async {
        guard channels.arguments.first == argument else { return }
        let trials = [
            trial("tap", makeTap), trial("bridge", makeBridge), trial("br-netfilter", useBridgeNetfilter),
            trial("nftables", loadRules), await openLibvirt(channels.directory),
        ]
        for trial in trials {
            guard let line = try? JSONEncoder().encode(trial) else { exit(3) }
            try? channels.emit(Array(line) + [0x0A])
        }
        exit(0)
    }

    /// Enters a lab, collects the trials, and waits for its end.
    static func collect() async throws -> [String: NamespaceTrial] {
        let host = try LabHostProcess.spawn(arguments: [argument])
        var trials: [String: NamespaceTrial] = [:]
        for await line in host.eventLines() {
            guard let trial = try? JSONDecoder().decode(NamespaceTrial.self, from: Data(line)) else { continue }
            trials[trial.id] = trial
        }
        _ = try await host.wait()
        return trials
    }

    private static func trial(_ id: String, _ body: () throws -> Void) -> NamespaceTrial {
        do {
            try body()
            return NamespaceTrial(id: id, failure: nil, code: 0)
        } catch {
            return NamespaceTrial(id: id, failure: "\(error)", code: (error as? SystemError)?.code ?? 0)
        }
    }

    /// TUNSETIFF with IFF_TAP | IFF_NO_PI (linux/if_tun.h).
    private static func makeTap() throws {
        let device = try FileDescriptor.open("/dev/net/tun", O_RDWR)
        let number = device.rawValue
        var request = interfaceRequest("trial-tap")
        withUnsafeBytes(of: Int16(0x1002).littleEndian) { flags in
            for (offset, byte) in flags.enumerated() { request[16 + offset] = byte }
        }
        try check("TUNSETIFF", "/dev/net/tun") { ioctl(number, 0x4004_54CA, &request) }
    }

    /// SIOCBRADDBR (linux/sockios.h).
    private static func makeBridge() throws {
        let socket = FileDescriptor(
            owning: try check("socket") { Foundation.socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0) })
        let number = socket.rawValue
        var name = interfaceRequest("trial-br")
        try check("SIOCBRADDBR", "bridge") { ioctl(number, 0x89A0, &name) }
    }

    private static func useBridgeNetfilter() throws {
        let file = try FileDescriptor.open("/proc/sys/net/bridge/bridge-nf-call-iptables", O_WRONLY)
        try file.writeAll(Array("1".utf8))
    }

    private static func loadRules() throws {
        guard let context = nft_ctx_new(0) else { throw SystemError.last("nft_ctx_new") }
        defer { nft_ctx_free(context) }
        nft_ctx_buffer_error(context)
        nft_ctx_buffer_output(context)
        guard nft_run_cmd_from_buffer(context, rules) == 0 else {
            let message = nft_ctx_get_error_buffer(context).map { String(cString: $0) } ?? "refused"
            let first = message.split(separator: "\n").first.map(String.init) ?? message
            throw SystemError(code: EOPNOTSUPP, call: "nft", subject: first)
        }
    }

    private static let rules = """
        table bridge trial {
            chain marks { type filter hook forward priority -10; oifname "trial-tap" meta mark set 1; }
        }
        table ip trial {
            chain groups {
                type filter hook forward priority 0;
                ct state established,related accept
                meta mark 1 log group 1 snaplen 128 drop
            }
        }
        """

    private static func openLibvirt(_ directory: String) async -> NamespaceTrial {
        do {
            _ = try await Connection.open(root: EmbedRoot(path: directory + "/v", sharedCache: nil))
            return NamespaceTrial(id: "libvirt-embed", failure: nil, code: 0)
        } catch {
            return NamespaceTrial(id: "libvirt-embed", failure: "\(error)", code: 0)
        }
    }

    /// A zeroed `struct ifreq`, 40 bytes, with the name in its first 16.
    private static func interfaceRequest(_ name: String) -> [UInt8] {
        var request = [UInt8](repeating: 0, count: 40)
        for (offset, byte) in name.utf8.prefix(15).enumerated() { request[offset] = byte }
        return request
    }
}
