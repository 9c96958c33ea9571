import Faults
import Scenario

/// A scenario file whose first step injects faults, one in each line from line 11 on.
struct InjectionFile {
    let parsed: ScenarioParser.Parsed

    init(
        _ faults: String..., catalogue: FaultCatalogue = .shipped, controlPlane: Bool = true,
        cloudController: Bool = true
    ) {
        self.init(
            faults, catalogue: catalogue, controlPlane: controlPlane, cloudController: cloudController)
    }

    /// - Parameters:
    ///   - faults: Each is the inside of a flow mapping, `fault: link-down, nodes: all`; an empty one is an empty line.
    ///   - catalogue: The faults that there are.
    ///   - controlPlane: Whether the lab has a control plane.
    ///   - cloudController: Whether that has a cloud controller.
    init(
        _ faults: [String], catalogue: FaultCatalogue = .shipped, controlPlane: Bool = true,
        cloudController: Bool = true
    ) {
        let text =
            """
            apiVersion: labrun.dev/v1alpha1
            kind: Scenario
            metadata: {name: x, title: A title}
            spec:
              lab: eks-overlay
              overrides:
                controlPlane: {enabled: \(controlPlane), cloudController: \(cloudController && controlPlane)}
              timeline:
                - name: first
                  inject:

            """ + faults.map { $0.isEmpty ? "\n" : "        - {\($0)}\n" }.joined()
            + "    - {name: last, expect: {diagnosis: {is: none}}}\n"
        parsed = ScenarioParser(faults: catalogue.descriptors, profiles: ScenarioLoader.labProfiles)
            .parse(Array(text.utf8), file: "x.yaml")
    }

    var problems: [String] { parsed.problems.map(\.description) }

    var calls: [FaultCall] {
        (parsed.scenario?.spec.timeline ?? []).flatMap(\.actions).compactMap { action in
            if case .inject(let call) = action { call } else { nil }
        }
    }

    var nodes: [String] { parsed.profile?.nodeNames ?? [] }
}
