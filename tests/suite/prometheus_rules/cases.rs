//! For each alert, series with which it fires, and ones that look like it and with which it does not.

/// Series as promtool writes them.
pub type Series = &'static [(&'static str, &'static str)];

/// What one alert needs: series, by the minute, or by five minutes if it takes more than two hours; and when to
/// look.
pub struct Case {
    pub alert: &'static str,
    pub minutes: u32,
    pub fires: Series,
    pub silent: &'static [Series],
}

/// `x` stands for the labels that every series of a gateway has.
pub const CASES: [Case; 22] = [
    Case {
        alert: "CuAgentGatewayDown",
        minutes: 12,
        fires: &[("up{x}", "0x12")],
        silent: &[&[("up{x}", "0x8 1 0x8 1")], &[("up{job='node',instance='g'}", "0x20")]],
    },
    Case {
        alert: "CuAgentUnhealthy",
        minutes: 20,
        fires: &[("cu_agent_healthy{x}", "0x20")],
        silent: &[&[("cu_agent_healthy{x}", "0x10 1x10")]],
    },
    Case {
        alert: "CuAgentRestarts",
        minutes: 50,
        fires: &[("cu_agent_cycles_total{x}", "0+1x9 0+1x9 0+1x9 0+1x9 0+1x9")],
        silent: &[
            &[("cu_agent_cycles_total{x}", "5000+1x20 0+1x40")],
            &[("cu_agent_cycles_total{x}", "0+1x9 _x20 0+1x9 0+1x10")],
        ],
    },
    Case {
        alert: "CuAgentSourceDown",
        minutes: 40,
        fires: &[("cu_agent_source_up{x,SOURCE}", "0x40")],
        silent: &[&[("cu_agent_source_up{x,SOURCE}", "0x20 1 0x20")]],
    },
    Case {
        alert: "CuAgentMachineUnreadable",
        minutes: 40,
        fires: &[
            ("cu_agent_machine_readable{x,SOURCE,machine='DEM12'}", "0x40"),
            ("cu_agent_source_up{x,SOURCE}", "1x40"),
        ],
        silent: &[
            &[
                ("cu_agent_machine_readable{x,SOURCE,machine='DEM12'}", "0x40"),
                ("cu_agent_source_up{x,SOURCE}", "0x40"),
            ],
            &[
                ("cu_agent_machine_readable{x,SOURCE,machine='DEM12'}", "0x20 1x20"),
                ("cu_agent_source_up{x,SOURCE}", "1x40"),
            ],
        ],
    },
    Case {
        alert: "CuAgentFilesUnreadable",
        minutes: 130,
        fires: &[("cu_agent_troubles{x,SOURCE,kind='file-not-read'}", "1x26")],
        silent: &[
            &[("cu_agent_troubles{x,SOURCE,kind='file-not-read'}", "1x6 _x20")],
            &[("cu_agent_troubles{x,SOURCE,kind='folder-missing'}", "1x26")],
        ],
    },
    Case {
        alert: "CuAgentFilesRefused",
        minutes: 70,
        fires: &[("cu_agent_buffer_files_refused{x}", "2x70")],
        silent: &[&[("cu_agent_buffer_files_refused{x}", "2x50 0x20")]],
    },
    Case {
        alert: "CuAgentLinesRejected",
        minutes: 90,
        fires: &[
            ("cu_agent_rejects_total{x,SOURCE}", "0+2x90"),
            ("cu_agent_events_total{x,SOURCE}", "0+10x90"),
        ],
        silent: &[
            // Many lines, of which few are rejected; few lines; and a restart, after which all counts begin at 0.
            &[
                ("cu_agent_rejects_total{x,SOURCE}", "0+2x90"),
                ("cu_agent_events_total{x,SOURCE}", "0+1000x90"),
            ],
            &[
                ("cu_agent_rejects_total{x,SOURCE}", "0x80 1+1x10"),
                ("cu_agent_events_total{x,SOURCE}", "0x90"),
            ],
            &[
                ("cu_agent_rejects_total{x,SOURCE}", "90000x80 0x10"),
                ("cu_agent_events_total{x,SOURCE}", "990000x80 0x10"),
            ],
        ],
    },
    Case {
        alert: "CuAgentMachineSilent",
        minutes: 5,
        fires: &[("cu_agent_alarms{x,kind='machine-silent'}", "2x5")],
        silent: &[&[
            ("cu_agent_alarms{x,kind='machine-silent'}", "0x5"),
            ("cu_agent_alarms{x,kind='grave-anomaly'}", "1x5"),
        ]],
    },
    Case {
        alert: "CuAgentCriticalAnomaly",
        minutes: 5,
        fires: &[("cu_agent_alarms{x,kind='grave-anomaly'}", "1x5")],
        silent: &[&[("cu_agent_alarms{x,kind='grave-anomaly'}", "0x5")]],
    },
    Case {
        alert: "CuAgentCentralDown",
        minutes: 370,
        fires: &[("cu_agent_central_up{x}", "0x74")],
        silent: &[
            &[("cu_agent_central_up{x}", "0x60 1x14")],
            &[("cu_agent_central_up{x}", "0x20 _x54")],
        ],
    },
    Case {
        alert: "CuAgentBacklogGrowing",
        minutes: 180,
        fires: &[("cu_agent_sessions_pending{x}", "1+5x36"), ("cu_agent_central_up{x}", "1x36")],
        silent: &[
            // It shrinks after an outage; polls come and go; central is away; there is no central.
            &[("cu_agent_sessions_pending{x}", "900-15x36"), ("cu_agent_central_up{x}", "1x36")],
            &[
                ("cu_agent_sessions_pending{x}", "0 3 0 3 0 3 0 3 0 9x27"),
                ("cu_agent_central_up{x}", "1x36"),
            ],
            &[("cu_agent_sessions_pending{x}", "1+5x36"), ("cu_agent_central_up{x}", "0x36")],
            &[("cu_agent_sessions_pending{x}", "1+5x36")],
        ],
    },
    Case {
        alert: "CuAgentOldDayPending",
        minutes: 440,
        fires: &[
            ("cu_agent_oldest_pending_seconds{x}", "180000+300x88"),
            ("cu_agent_central_up{x}", "1x88"),
        ],
        silent: &[
            &[
                ("cu_agent_oldest_pending_seconds{x}", "40000+300x88"),
                ("cu_agent_central_up{x}", "1x88"),
            ],
            &[("cu_agent_oldest_pending_seconds{x}", "180000+300x88")],
            // A week without power, and what was read since then is delivered within an hour.
            &[
                ("cu_agent_oldest_pending_seconds{x}", "_x60 700000+300x12 0x16"),
                ("cu_agent_central_up{x}", "_x60 1x28"),
            ],
        ],
    },
    Case {
        alert: "CuAgentSessionsQuarantined",
        minutes: 20,
        fires: &[("cu_agent_sessions_set_aside{x}", "1x20")],
        silent: &[&[("cu_agent_sessions_set_aside{x}", "0x20")]],
    },
    Case {
        alert: "CuAgentBufferNearlyFull",
        minutes: 40,
        fires: &[
            ("cu_agent_buffer_bytes{x}", "1900000000x40"),
            ("cu_agent_buffer_max_bytes{x}", "2000000000x40"),
        ],
        silent: &[&[
            ("cu_agent_buffer_bytes{x}", "1700000000x40"),
            ("cu_agent_buffer_max_bytes{x}", "2000000000x40"),
        ]],
    },
    Case {
        alert: "CuAgentDiskNearlyFull",
        minutes: 40,
        fires: &[("cu_agent_disk_free_bytes{x}", "200000000x40")],
        silent: &[&[("cu_agent_disk_free_bytes{x}", "300000000x40")]],
    },
    Case {
        alert: "CuAgentDiskReadOnly",
        minutes: 10,
        fires: &[("cu_agent_disk_read_only{x}", "1x10")],
        silent: &[&[("cu_agent_disk_read_only{x}", "0x10")]],
    },
    Case {
        alert: "CuAgentClockImplausible",
        minutes: 40,
        fires: &[("cu_agent_clock_plausible{x}", "0x40")],
        silent: &[&[("cu_agent_clock_plausible{x}", "0x20 1x20")]],
    },
    Case {
        alert: "CuAgentCalendarRefused",
        minutes: 40,
        fires: &[("cu_agent_calendar_refused{x}", "1x40")],
        silent: &[&[("cu_agent_calendar_refused{x}", "0x40")]],
    },
    Case {
        alert: "CuAgentUpdateFailed",
        minutes: 20,
        fires: &[("cu_agent_update_failed{x}", "1x20")],
        silent: &[&[("cu_agent_update_failed{x}", "0x20")]],
    },
    Case {
        alert: "CuAgentSettingsRefused",
        minutes: 20,
        fires: &[("cu_agent_settings_refused{x}", "1x20")],
        silent: &[&[("cu_agent_settings_refused{x}", "0x20")]],
    },
    Case {
        alert: "CuAgentAlarmsUndelivered",
        minutes: 70,
        fires: &[("cu_agent_alarm_messages_pending{x}", "1x70")],
        silent: &[&[("cu_agent_alarm_messages_pending{x}", "1x50 0 1x19")]],
    },
];
