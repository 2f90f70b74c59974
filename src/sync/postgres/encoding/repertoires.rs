//! Which characters each encoding of PostgreSQL has, as its own conversions to and from UTF-8 have them.
//! Of the encodings of the Far East only what European texts hold: the rest is read in no LOG.

/// The characters of one encoding behind ASCII.
#[derive(PartialEq, Eq, Debug)]
pub struct Repertoire {
    /// As `server_encoding` reports it.
    pub(super) name: &'static str,
    /// U+0080 to U+009F.
    pub(super) has_controls: bool,
    pub(super) characters: &'static str,
}

impl Repertoire {
    pub(in crate::sync::postgres) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn has(&self, c: char) -> bool {
        match c {
            '\0'..='\u{7f}' => true,
            '\u{80}'..='\u{9f}' => self.has_controls,
            _ => self.characters.contains(c),
        }
    }
}

#[rustfmt::skip]
pub(in crate::sync::postgres) const REPERTOIRES: &[Repertoire] = &[
    Repertoire {
        name: "LATIN1",
        has_controls: true,
        characters: "\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ",
    },
    Repertoire {
        name: "LATIN2",
        has_controls: true,
        characters: "\u{a0}¤§¨\u{ad}°´¸ÁÂÄÇÉËÍÎÓÔÖ×ÚÜÝßáâäçéëíîóôö÷úüýĂăĄąĆćČčĎďĐđĘęĚěĹĺĽľŁłŃńŇňŐőŔŕŘřŚśŞşŠšŢţŤťŮůŰűŹźŻżŽžˇ˘˙˛˝",
    },
    Repertoire {
        name: "LATIN3",
        has_controls: true,
        characters: "\u{a0}£¤§¨\u{ad}°²³´µ·¸½ÀÁÂÄÇÈÉÊËÌÍÎÏÑÒÓÔÖ×ÙÚÛÜßàáâäçèéêëìíîïñòóôö÷ùúûüĈĉĊċĜĝĞğĠġĤĥĦħİıĴĵŜŝŞşŬŭŻż˘˙",
    },
    Repertoire {
        name: "LATIN4",
        has_controls: true,
        characters: "\u{a0}¤§¨\u{ad}¯°´¸ÁÂÃÄÅÆÉËÍÎÔÕÖ×ØÚÛÜßáâãäåæéëíîôõö÷øúûüĀāĄąČčĐđĒēĖėĘęĢģĨĩĪīĮįĶķĸĻļŅņŊŋŌōŖŗŠšŦŧŨũŪūŲųŽžˇ˙˛",
    },
    Repertoire {
        name: "LATIN5",
        has_controls: true,
        characters: "\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖ×ØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõö÷øùúûüÿĞğİıŞş",
    },
    Repertoire {
        name: "LATIN6",
        has_controls: true,
        characters: "\u{a0}§\u{ad}°·ÁÂÃÄÅÆÉËÍÎÏÐÓÔÕÖØÚÛÜÝÞßáâãäåæéëíîïðóôõöøúûüýþĀāĄąČčĐđĒēĖėĘęĢģĨĩĪīĮįĶķĸĻļŅņŊŋŌōŠšŦŧŨũŪūŲųŽž―",
    },
    Repertoire {
        name: "LATIN7",
        has_controls: true,
        characters: "\u{a0}¢£¤¦§©«¬\u{ad}®°±²³µ¶·¹»¼½¾ÄÅÆÉÓÕÖ×ØÜßäåæéóõö÷øüĀāĄąĆćČčĒēĖėĘęĢģĪīĮįĶķĻļŁłŃńŅņŌōŖŗŚśŠšŪūŲųŹźŻżŽž’“”„",
    },
    Repertoire {
        name: "LATIN8",
        has_controls: true,
        characters: "\u{a0}£§©\u{ad}®¶ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿĊċĠġŴŵŶŷŸḂḃḊḋḞḟṀṁṖṗṠṡṪṫẀẁẂẃẄẅỲỳ",
    },
    Repertoire {
        name: "LATIN9",
        has_controls: true,
        characters: "\u{a0}¡¢£¥§©ª«¬\u{ad}®¯°±²³µ¶·¹º»¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿŒœŠšŸŽž€",
    },
    Repertoire {
        name: "LATIN10",
        has_controls: true,
        characters: "\u{a0}§©«\u{ad}°±¶·»ÀÁÂÄÆÇÈÉÊËÌÍÎÏÒÓÔÖÙÚÛÜßàáâäæçèéêëìíîïòóôöùúûüÿĂăĄąĆćČčĐđĘęŁłŃńŐőŒœŚśŠšŰűŸŹźŻżŽžȘșȚț”„€",
    },
    Repertoire {
        name: "ISO_8859_5",
        has_controls: true,
        characters: "\u{a0}§\u{ad}ЁЂЃЄЅІЇЈЉЊЋЌЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюяёђѓєѕіїјљњћќўџ№",
    },
    Repertoire {
        name: "ISO_8859_6",
        has_controls: true,
        characters: "\u{a0}¤\u{ad}،\u{61b}\u{61f}\u{621}\u{622}\u{623}\u{624}\u{625}\u{626}\u{627}\u{628}\u{629}\u{62a}\u{62b}\u{62c}\u{62d}\u{62e}\u{62f}\u{630}\u{631}\u{632}\u{633}\u{634}\u{635}\u{636}\u{637}\u{638}\u{639}\u{63a}\u{640}\u{641}\u{642}\u{643}\u{644}\u{645}\u{646}\u{647}\u{648}\u{649}\u{64a}\u{64b}\u{64c}\u{64d}\u{64e}\u{64f}\u{650}\u{651}\u{652}",
    },
    Repertoire {
        name: "ISO_8859_7",
        has_controls: true,
        characters: "\u{a0}£¦§¨©«¬\u{ad}°±²³·»½ͺ΄΅ΆΈΉΊΌΎΏΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫάέήίΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώ―‘’€₯",
    },
    Repertoire {
        name: "ISO_8859_8",
        has_controls: true,
        characters: "\u{a0}¢£¤¥¦§¨©«¬\u{ad}®¯°±²³´µ¶·¸¹»¼½¾×÷\u{5d0}\u{5d1}\u{5d2}\u{5d3}\u{5d4}\u{5d5}\u{5d6}\u{5d7}\u{5d8}\u{5d9}\u{5da}\u{5db}\u{5dc}\u{5dd}\u{5de}\u{5df}\u{5e0}\u{5e1}\u{5e2}\u{5e3}\u{5e4}\u{5e5}\u{5e6}\u{5e7}\u{5e8}\u{5e9}\u{5ea}\u{200e}\u{200f}‗",
    },
    Repertoire {
        name: "WIN1250",
        has_controls: false,
        characters: "\u{a0}¤¦§¨©«¬\u{ad}®°±´µ¶·¸»ÁÂÄÇÉËÍÎÓÔÖ×ÚÜÝßáâäçéëíîóôö÷úüýĂăĄąĆćČčĎďĐđĘęĚěĹĺĽľŁłŃńŇňŐőŔŕŘřŚśŞşŠšŢţŤťŮůŰűŹźŻżŽžˇ˘˙˛˝–—‘’‚“”„†‡•…‰‹›€™",
    },
    Repertoire {
        name: "WIN1251",
        has_controls: false,
        characters: "\u{a0}¤¦§©«¬\u{ad}®°±µ¶·»ЁЂЃЄЅІЇЈЉЊЋЌЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюяёђѓєѕіїјљњћќўџҐґ–—‘’‚“”„†‡•…‰‹›€№™",
    },
    Repertoire {
        name: "WIN1252",
        has_controls: false,
        characters: "\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿŒœŠšŸŽžƒˆ˜–—‘’‚“”„†‡•…‰‹›€™",
    },
    Repertoire {
        name: "WIN1253",
        has_controls: false,
        characters: "\u{a0}£¤¥¦§¨©«¬\u{ad}®°±²³µ¶·»½ƒ΄΅ΆΈΉΊΌΎΏΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΪΫάέήίΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώ–—―‘’‚“”„†‡•…‰‹›€™",
    },
    Repertoire {
        name: "WIN1254",
        has_controls: false,
        characters: "\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖ×ØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõö÷øùúûüÿĞğİıŒœŞşŠšŸƒˆ˜–—‘’‚“”„†‡•…‰‹›€™",
    },
    Repertoire {
        name: "WIN1255",
        has_controls: false,
        characters: "\u{a0}¡¢£¥¦§¨©«¬\u{ad}®¯°±²³´µ¶·¸¹»¼½¾¿×÷ƒˆ˜\u{5b0}\u{5b1}\u{5b2}\u{5b3}\u{5b4}\u{5b5}\u{5b6}\u{5b7}\u{5b8}\u{5b9}\u{5bb}\u{5bc}\u{5bd}\u{5be}\u{5bf}\u{5c0}\u{5c1}\u{5c2}\u{5c3}\u{5d0}\u{5d1}\u{5d2}\u{5d3}\u{5d4}\u{5d5}\u{5d6}\u{5d7}\u{5d8}\u{5d9}\u{5da}\u{5db}\u{5dc}\u{5dd}\u{5de}\u{5df}\u{5e0}\u{5e1}\u{5e2}\u{5e3}\u{5e4}\u{5e5}\u{5e6}\u{5e7}\u{5e8}\u{5e9}\u{5ea}\u{5f0}\u{5f1}\u{5f2}\u{5f3}\u{5f4}\u{200e}\u{200f}–—‘’‚“”„†‡•…‰‹›₪€™",
    },
    Repertoire {
        name: "WIN1256",
        has_controls: false,
        characters: "\u{a0}¢£¤¥¦§¨©«¬\u{ad}®¯°±²³´µ¶·¸¹»¼½¾×àâçèéêëîïô÷ùûüŒœƒˆ،\u{61b}\u{61f}\u{621}\u{622}\u{623}\u{624}\u{625}\u{626}\u{627}\u{628}\u{629}\u{62a}\u{62b}\u{62c}\u{62d}\u{62e}\u{62f}\u{630}\u{631}\u{632}\u{633}\u{634}\u{635}\u{636}\u{637}\u{638}\u{639}\u{63a}\u{640}\u{641}\u{642}\u{643}\u{644}\u{645}\u{646}\u{647}\u{648}\u{649}\u{64a}\u{64b}\u{64c}\u{64d}\u{64e}\u{64f}\u{650}\u{651}\u{652}\u{679}\u{67e}\u{686}\u{688}\u{691}\u{698}\u{6a9}\u{6af}\u{6ba}\u{6be}\u{6c1}\u{6d2}\u{200c}\u{200d}\u{200e}\u{200f}–—‘’‚“”„†‡•…‰‹›€™",
    },
    Repertoire {
        name: "WIN1257",
        has_controls: false,
        characters: "\u{a0}¢£¤¦§¨©«¬\u{ad}®¯°±²³´µ¶·¸¹»¼½¾ÄÅÆÉÓÕÖ×ØÜßäåæéóõö÷øüĀāĄąĆćČčĒēĖėĘęĢģĪīĮįĶķĻļŁłŃńŅņŌōŖŗŚśŠšŪūŲųŹźŻżŽžˇ˙˛–—‘’‚“”„†‡•…‰‹›€™",
    },
    Repertoire {
        name: "WIN1258",
        has_controls: false,
        characters: "\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÄÅÆÇÈÉÊËÍÎÏÑÓÔÖ×ØÙÚÛÜßàáâäåæçèéêëíîïñóôö÷øùúûüÿĂăĐđŒœŸƒƠơƯưˆ˜\u{300}\u{301}\u{303}\u{309}\u{323}–—‘’‚“”„†‡•…‰‹›₫€™",
    },
    Repertoire {
        name: "WIN866",
        has_controls: false,
        characters: "\u{a0}¤°·ЁЄЇЎАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюяёєїў№∙√─│┌┐└┘├┤┬┴┼═║╒╓╔╕╖╗╘╙╚╛╜╝╞╟╠╡╢╣╤╥╦╧╨╩╪╫╬▀▄█▌▐░▒▓■",
    },
    Repertoire {
        name: "WIN874",
        has_controls: false,
        characters: "\u{a0}กขฃคฅฆงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรฤลฦวศษสหฬอฮฯะ\u{e31}าำ\u{e34}\u{e35}\u{e36}\u{e37}\u{e38}\u{e39}\u{e3a}฿เแโใไๅๆ\u{e47}\u{e48}\u{e49}\u{e4a}\u{e4b}\u{e4c}\u{e4d}\u{e4e}๏๐๑๒๓๔๕๖๗๘๙๚๛–—‘’“”•…€",
    },
    Repertoire {
        name: "KOI8R",
        has_controls: false,
        characters: "\u{a0}©°²·÷ЁАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюяё∙√≈≤≥⌠⌡─│┌┐└┘├┤┬┴┼═║╒╓╔╕╖╗╘╙╚╛╜╝╞╟╠╡╢╣╤╥╦╧╨╩╪╫╬▀▄█▌▐░▒▓■",
    },
    Repertoire {
        name: "KOI8U",
        has_controls: false,
        characters: "\u{a0}©°²·÷ЁЄІЇАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюяёєіїҐґ∙√≈≤≥⌠⌡─│┌┐└┘├┤┬┴┼═║╒╔╗╘╙╚╛╝╞╟╠╡╣╦╧╨╩╪╬▀▄█▌▐░▒▓■",
    },
    Repertoire {
        name: "EUC_JP",
        has_controls: false,
        characters: "¡¤§¨©ª®¯°±´¶¸º¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿĀāĂăĄąĆćĈĉĊċČčĎďĐđĒēĖėĘęĚěĜĝĞğĠġĢĤĥĦħĨĩĪīĮįİıĲĳĴĵĶķĸĹĺĻļĽľĿŀŁłŃńŅņŇňŉŊŋŌōŐőŒœŔŕŖŗŘřŚśŜŝŞşŠšŢţŤťŦŧŨũŪūŬŭŮůŰűŲųŴŵŶŷŸŹźŻżŽž‐―‘’“”†‡‥…‰′″※№™←↑→↓≠≡",
    },
    Repertoire {
        name: "EUC_CN",
        has_controls: false,
        characters: "¤§¨°±×àáèéêìíòó÷ùúüāēěīōū―‖‘’“”…‰′″※№←↑→↓≠≡≤≥",
    },
    Repertoire {
        name: "EUC_KR",
        has_controls: false,
        characters: "¡¤§¨ª\u{ad}®°±²³´¶·¸¹º¼½¾¿ÆÐ×ØÞßæð÷øþđĦħıĲĳĸĿŀŁłŉŊŋŒœŦŧ―‘’“”†‡‥…‰′″※€№™←↑→↓≠≡≤≥",
    },
    Repertoire {
        name: "EUC_TW",
        has_controls: false,
        characters: "§°±·×÷–—‖‘’“”‥…′‵※‾←↑→↓≠≡",
    },
    Repertoire {
        name: "EUC_JIS_2004",
        has_controls: false,
        characters: "\u{a0}¡¢£¤¥¦§¨©ª«¬\u{ad}®¯°±²³´¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿĀāĂăĄąĆćĈĉČčĎďđĒēĘęĚěĜĝĤĥħĪīĴĵĹĺĽľŁłŃńŇňŋŌōŐőŒœŔŕŘřŚśŜŝŞşŠšŢţŤťŪūŬŭŮůŰűŹźŻżŽž‐–—‖‘’“”†‡•‥…‰′″※‼‾‿⁂€№←↑→↓−≠≡≢",
    },
];
