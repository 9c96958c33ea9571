import DatapathOptions
import Testing

@testable import Datapath

@Suite struct KernelSupportTests {
    private let all = Set(KernelFeature.allCases)

    private func options(_ mode: DatapathOptions.KubeProxyReplacement, socketLB: Bool = false) -> DatapathOptions {
        var options = DatapathOptions()
        options.kubeProxyReplacement = mode
        options.socketLB.enabled = socketLB
        return options
    }

    private func support(
        _ options: DatapathOptions, without masked: Set<KernelFeature> = []
    ) throws -> KernelSupport {
        try KernelSupport(options, on: KernelFeatures(found: all, masking: masked))
    }

    @Test(arguments: DatapathOptions.KubeProxyReplacement.allCases)
    func aKernelWithEverythingChangesNothing(_ mode: DatapathOptions.KubeProxyReplacement) throws {
        let wanted = options(mode, socketLB: true)
        let support = try support(wanted)
        #expect(support.options == wanted && support.fallbacks.isEmpty)
    }

    @Test func strictNamesTheFeatureAndTheOption() {
        for feature in [KernelFeature.cgroupConnect4, .cgroupGetpeername4, .netnsCookie, .fibLookup] {
            let error = #expect(throws: DatapathError.self) { try support(options(.strict), without: [feature]) }
            #expect("\(error as Any)".contains("kernel feature missing: \(feature.rawValue)"))
            #expect("\(error as Any)".contains("kubeProxyReplacement: strict"))
        }
    }

    @Test func probeGivesUpAndSaysSo() throws {
        let sockets = try support(options(.probe, socketLB: true), without: [.cgroupSendmsg4])
        #expect(sockets.options.kubeProxyReplacement == .probe && !sockets.options.socketLB.enabled)
        #expect(sockets.fallbacks.count == 1)
        #expect(sockets.fallbacks.first?.contains("cgroup-udp4-sendmsg") == true)
        let everything = try support(options(.probe, socketLB: true), without: [.fibLookup, .cgroupSendmsg4])
        #expect(everything.options.kubeProxyReplacement == .false)
        #expect(everything.fallbacks.map { $0.contains("falls back to kube-proxy") } == [true])
    }

    @Test func whatNobodyAskedForMayBeMissing() throws {
        let without: Set<KernelFeature> = [.cgroupConnect4, .fibLookup]
        #expect(try support(options(.false), without: without).fallbacks.isEmpty)
        #expect(try support(options(.true), without: [.cgroupConnect4]).fallbacks.isEmpty)
        #expect(throws: DatapathError.self) { try support(options(.true, socketLB: true), without: [.cgroupConnect4]) }
    }

    @Test(arguments: [KernelFeature.ringbuf, .lpmTrie, .lruHash])
    func theDatapathItselfNeedsSome(_ feature: KernelFeature) {
        #expect(throws: DatapathError.self) { try support(options(.probe), without: [feature]) }
    }

    @Test func whatTheKernelLacksIsNotMasked() {
        let features = KernelFeatures(found: [.ringbuf], masking: [.ringbuf, .skAssign])
        #expect(features.available.isEmpty && features.masked == [.ringbuf])
    }
}
