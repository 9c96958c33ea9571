import NodeProtocol
import Testing

@testable import NodeRuntime

@Suite struct ModuleDemandTests {
    private let demand = ModuleDemand(
        """
        module nft_masq kernel/nft_masq.ko kernel/libcrc32c.ko kernel/nf_nat.ko
        module nf_nat kernel/nf_nat.ko kernel/libcrc32c.ko
        module xt_MASQUERADE kernel/xt_MASQUERADE.ko
        alias nft-expr-2-masq nft_masq
        alias nft-expr-masq nft_masq
        alias ipt_MASQUERADE xt_MASQUERADE
        alias char-major-10-* nf_nat
        alias to-nothing nothing
        module
        alias one
        nonsense line of words
        """)

    @Test(arguments: [
        ("nft_masq", ["kernel/libcrc32c.ko", "kernel/nf_nat.ko", "kernel/nft_masq.ko"]),
        ("nft-masq", ["kernel/libcrc32c.ko", "kernel/nf_nat.ko", "kernel/nft_masq.ko"]),
        ("nft-expr-2-masq", ["kernel/libcrc32c.ko", "kernel/nf_nat.ko", "kernel/nft_masq.ko"]),
        ("ipt_MASQUERADE", ["kernel/xt_MASQUERADE.ko"]),
        ("char-major-10-200", ["kernel/libcrc32c.ko", "kernel/nf_nat.ko"]),
        ("to-nothing", []), ("unknown", []), ("", []),
    ])
    func namesAndAliases(_ name: String, _ paths: [String]) {
        #expect(demand.paths(for: name) == paths)
    }
}

@Suite struct PodRootTests {
    private func spec(files: [String: String] = [:]) -> PodSpec {
        PodSpec(
            namespace: "default", name: "web-1", uid: "u", labels: [:], port: 8080, resolver: "nameserver 10.0.0.2\n",
            hosts: ["10.0.0.9 db"], files: files)
    }

    @Test func aPodHasItsOwnResolverAndHosts() {
        let files = PodRoot.files(of: spec(files: ["/b": "2", "/a": "1"]), address: "192.168.1.5")
        #expect(files.map(\.path) == ["/etc/resolv.conf", "/etc/hosts", "/etc/hostname", "/a", "/b"])
        #expect(files[0].text == "nameserver 10.0.0.2\n")
        #expect(files[1].text == "127.0.0.1 localhost\n192.168.1.5 web-1\n10.0.0.9 db\n")
        #expect(files[2].text == "web-1\n")
    }

    @Test func restartsWaitAsKubeletsDo() {
        let waits = (0...8).map { Containers.backOff(restarts: $0) }
        #expect(waits == [0, 10, 20, 40, 80, 160, 300, 300, 300].map { .seconds($0) })
    }
}
