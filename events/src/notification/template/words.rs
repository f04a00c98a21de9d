//! The texts themselves. Each is written in the letters of GSM 03.38, of which Spanish lacks á, í, ó and ú: one of them would
//! turn the whole text into UCS-2, where a segment has less than half the letters. So the Spanish texts do without such words.

use super::wording::{Text, Wording};

pub(super) const WELCOME_WITH_CODE: Text = Text {
    named: Some(Wording {
        en: "Welcome to FieldFuze, {name}! To set your password, use the code {code}. It is good for 3 days.",
        es: "Hola, {name}: FieldFuze te da la bienvenida. Usa {code} para crear tu contraseña. Vale 72 horas.",
    }),
    plain: Wording {
        en: "Welcome to FieldFuze! To set your password, use the code {code}. It is good for 3 days.",
        es: "FieldFuze te da la bienvenida. Usa {code} para crear tu contraseña. Vale 72 horas.",
    },
};

pub(super) const WELCOME: Text = Text {
    named: Some(Wording {
        en: "Welcome to FieldFuze, {name}! Your account is ready.",
        es: "Hola, {name}: FieldFuze te da la bienvenida. Ya puedes entrar en tu cuenta.",
    }),
    plain: Wording {
        en: "Welcome to FieldFuze! Your account is ready.",
        es: "FieldFuze te da la bienvenida. Ya puedes entrar en tu cuenta.",
    },
};

pub(super) const PASSWORD_RESET: Text = Text::plain(
    "FieldFuze: {code} is your code to set a new password. It is good for 10 minutes. Was it not you? Tell nobody.",
    "FieldFuze: usa {code} para cambiar tu contraseña. Vale 10 minutos. Si no lo pediste, no se lo digas a nadie.",
);

pub(super) const SIGN_IN_CODE: Text = Text::plain(
    "FieldFuze: {code} is your code to sign in. It is good for 10 minutes. We never ask for it.",
    "FieldFuze: usa {code} para entrar. Vale 10 minutos. Nunca te lo pediremos.",
);

pub(super) const SMS_FACTOR: Text = Text::plain(
    "FieldFuze: {code} is your code to confirm this number. It is good for 10 minutes.",
    "FieldFuze: usa {code} para confirmar este teléfono. Vale 10 minutos.",
);

pub(super) const PASSWORD_CHANGED: Text = Text::plain(
    "FieldFuze: your password was changed, and you are signed out everywhere. Was it not you? Tell your administrator.",
    "FieldFuze: tu contraseña ha cambiado y se han cerrado tus sesiones. Si no lo hiciste, avisa a tu administrador.",
);

pub(super) const NEW_DEVICE: Text = Text::plain(
    "FieldFuze: somebody signed in to your account with a new device. Was it not you? Change your password at once.",
    "FieldFuze: alguien ha entrado en tu cuenta con un aparato nuevo. Si no lo hiciste, cambia ya tu contraseña.",
);

pub(super) const SUSPENDED: Text = Text::plain(
    "FieldFuze: your account is suspended, and you are signed out everywhere. Questions? Ask your administrator.",
    "FieldFuze: tu cuenta queda suspendida y se han cerrado tus sesiones. Si tienes dudas, habla con tu administrador.",
);

pub(super) const REACTIVATED: Text = Text::plain(
    "FieldFuze: your account works again. You can sign in.",
    "FieldFuze: tu cuenta vuelve a funcionar. Ya puedes entrar.",
);

pub(super) const ROLE_GRANTED: Text = Text::plain(
    "FieldFuze: you were given a role. Sign in to see what you can do now.",
    "FieldFuze: ahora tienes un rol nuevo. Entra para ver lo que puedes hacer.",
);

pub(super) const ROLE_REVOKED: Text = Text::plain(
    "FieldFuze: one of your roles was taken back. Questions? Ask your administrator.",
    "FieldFuze: ya no tienes uno de tus roles. Si tienes dudas, habla con tu administrador.",
);
